import { baseNameOf, type OutputName, type StorePath } from "@drvkit/drv-parser";

/** Bumped with every change of a key or a value that an older version would misread. */
export const formatVersion = "1";

/**
 * The sub-databases, each with what it holds: `docs/store-format.md`. `referrers`, `drvOutputs`, `derivers` and
 * `outlines` are derived from `paths` and the files of the derivations. A dupsort table holds several values under one
 * key, in byte order. An outline is there only while its derivation is valid: who makes that invalid removes it.
 */
export const tableOptions = {
  meta: { dupSort: false },
  paths: { dupSort: false },
  referrers: { dupSort: true },
  drvOutputs: { dupSort: false },
  derivers: { dupSort: true },
  realisations: { dupSort: false },
  realisationsByPath: { dupSort: true },
  realisationRefs: { dupSort: true },
  outlines: { dupSort: false },
} as const;

/** Name of a sub-database. */
export type TableName = keyof typeof tableOptions;

/** Reading one sub-database inside a transaction. Values are copies and may be kept. */
export interface ReadTable {
  get(key: Uint8Array): Uint8Array | undefined;
  /** Whether there is a value; costs less than getting it. */
  has(key: Uint8Array): boolean;
  /** The value as one character per byte; costs less than getting it. */
  text(key: Uint8Array): string | undefined;
  /** Entries from `start` on, in byte order of their keys. */
  from(start: Uint8Array): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
  /** The values of one key of a dupsort table, in byte order. */
  values(key: Uint8Array): Iterable<Uint8Array>;
}

/** Writing one sub-database inside a write transaction. */
export interface WriteTable extends ReadTable {
  put(key: Uint8Array, value: Uint8Array): void;
  /** Without `value` all values of the key go. */
  remove(key: Uint8Array, value?: Uint8Array): void;
}

export type ReadTables = Readonly<Record<TableName, ReadTable>>;
export type WriteTables = Readonly<Record<TableName, WriteTable>>;

/** Where records live: one snapshot for each read, one committed change or none for each write. */
export interface Database {
  /** Runs `query` on one snapshot, taken now. It must not keep an iterator beyond its end. */
  read<T>(query: (tables: ReadTables) => T): T;
  /** Runs `transact` in one write transaction; what it throws undoes everything and is thrown here. */
  write<T>(transact: (tables: WriteTables) => T): Promise<T>;
}

/** A table that is not there has nothing. */
const noTable: ReadTable = {
  get: () => undefined,
  has: () => false,
  text: () => undefined,
  from: () => [],
  values: () => [],
};

/** A store that does not exist yet. */
export const emptyTables: ReadTables = {
  meta: noTable,
  paths: noTable,
  referrers: noTable,
  drvOutputs: noTable,
  derivers: noTable,
  realisations: noTable,
  realisationsByPath: noTable,
  realisationRefs: noTable,
  outlines: noTable,
};

/** In place of a table that an older version did not make, in a store that is only read. */
export const absentTable: WriteTable = {
  ...noTable,
  put: () => {
    throw new Error("bug: a store that is only read is written to");
  },
  remove: () => {
    throw new Error("bug: a store that is only read is written to");
  },
};

/** Key of `meta`. */
export function metaKey(name: "format" | "storeDir"): Uint8Array {
  return Buffer.from(name, "latin1");
}

/** Key of `paths`, `referrers`, `derivers`, `outlines`, and the form of a path as a value: its base name. */
export function pathKey(path: StorePath): Uint8Array {
  return Buffer.from(baseNameOf(path), "latin1");
}

/** Key of `realisations`, and the form of an id as a value: its text. */
export function realisationKey(id: string): Uint8Array {
  return Buffer.from(id, "latin1");
}

/** Key of `drvOutputs`; without `output` the prefix of all outputs of `drvPath`. No base name contains a NUL. */
export function outputKey(drvPath: StorePath, output: OutputName | "" = ""): Uint8Array {
  return Buffer.from(`${baseNameOf(drvPath)}\0${output}`, "latin1");
}
