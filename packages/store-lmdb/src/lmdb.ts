import { statfsSync } from "node:fs";
import { createRequire } from "node:module";
import type { Database, RootDatabase } from "lmdb";
import { noSpace, readOnly, StoreError } from "./error.js";
import {
  absentTable,
  formatVersion,
  metaKey,
  type TableName,
  tableOptions,
  type WriteTable,
  type WriteTables,
} from "./schema.js";

/** Reader table of `lock.mdb`: 64 bytes for each of 1084 readers after a head of 272. */
export const lockFileBytes = 17 * 4096;

/** The module of LMDB. */
export type Lmdb = typeof import("lmdb");

/** Loads it by `require`: as CommonJS it is one file, and there in half the time. */
export function loadLmdb(): Lmdb {
  return createRequire(import.meta.url)("lmdb");
}

/** What a store is opened for. */
export type Mode = "read" | "write";

/** An open environment and its tables. */
export interface Handles {
  readonly root: RootDatabase<Buffer, Buffer>;
  readonly tables: WriteTables;
}

type Table = Database<Buffer, Buffer>;

/**
 * Opens the database in `dir`; for writing all tables are made, for reading those that are not are empty.
 *
 * @throws `ERR_STORE_FORMAT` for another format, whose tables are left alone; an error that {@link isLmdbError} knows.
 */
export function openHandles(
  lmdb: Lmdb,
  options: { readonly dir: string; readonly mode: Mode; readonly mapBytes: number },
): Handles | undefined {
  const { dir, mode, mapBytes } = options;
  const encoding = { encoding: "binary", keyEncoding: "binary", cache: false } as const;
  const root = lmdb.open<Buffer, Buffer>({
    ...encoding,
    path: dir,
    noSubdir: false,
    readOnly: mode === "read",
    mapSize: mapBytes,
    maxReaders: 1024,
    maxDbs: 16,
    // Pages first, then the meta page: the order that survives a power failure. Overlapping them may roll back commits.
    overlappingSync: false,
  });
  try {
    const openTable = (name: TableName): WriteTable | undefined => {
      const table: Table | undefined = root.openDB<Buffer, Buffer>({
        ...encoding,
        ...tableOptions[name],
        name,
      });
      return table && lmdbTable(table);
    };
    // The format first: tables of a newer one are not to be touched. It is written last, when all tables exist.
    const meta = openTable("meta");
    const format = meta?.get(metaKey("format"));
    if (format !== undefined) checkFormat(Buffer.from(format).toString(), dir);
    else if (mode === "read") {
      void root.close();
      return undefined;
    }
    return { root, tables: allTables(openTable, { dir, mode }) };
  } catch (error) {
    void root.close();
    throw error;
  }
}

function allTables(
  openTable: (name: TableName) => WriteTable | undefined,
  { dir, mode }: { readonly dir: string; readonly mode: Mode },
): WriteTables {
  const names = Object.keys(tableOptions) as TableName[];
  const entries = names.map((name) => {
    const table = openTable(name) ?? (mode === "read" ? absentTable : undefined);
    if (table === undefined) throw new Error(`bug: no table '${name}' in '${dir}'`);
    return [name, table] as const;
  });
  return Object.fromEntries(entries) as WriteTables;
}

function checkFormat(format: string, dir: string): void {
  if (format === formatVersion) return;
  throw new StoreError(
    "ERR_STORE_FORMAT",
    `store in '${dir}' has format '${format}', and only '${formatVersion}' is known`,
    { hint: "use the version of drvkit that made it, or another store", path: dir },
  );
}

function lmdbTable(table: Table): WriteTable {
  return {
    get: (key) => table.get(asBuffer(key)),
    has: (key) => table.getBinaryFast(asBuffer(key)) !== undefined,
    text: (key) => {
      const value = table.getBinaryFast(asBuffer(key)); // lies in a buffer that the next read uses again
      return value?.toString("latin1", 0, value.length);
    },
    from: (start) => table.getRange({ start: asBuffer(start) }),
    values: (key) => table.getValues(asBuffer(key)),
    // Inside a transaction both are done when they return and throw when they fail.
    put: (key, value) => void table.put(asBuffer(key), asBuffer(value)),
    remove: (key, value) =>
      void (value === undefined ? table.remove(asBuffer(key)) : table.remove(asBuffer(key), asBuffer(value))),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether LMDB refused: its module puts the number of the error into `code`. */
export function isLmdbError(error: unknown): error is Error & { code: number } {
  return error instanceof Error && typeof (error as { code?: unknown }).code === "number";
}

const errno = { EIO: 5, EACCES: 13, ENOSPC: 28, EROFS: 30, EDQUOT: 122 } as const;

/** What an error of LMDB means for the store in `dir`. */
export function databaseError(error: Error & { code: number }, dir: string): StoreError {
  switch (error.code) {
    case errno.ENOSPC:
    case errno.EDQUOT:
      return noSpace(dir, error);
    case errno.EACCES:
    case errno.EROFS:
      return readOnly(`'${dir}' cannot be written`, dir, error);
    case errno.EIO:
      // LMDB reports a write that was cut short as EIO; on a full disk that is what happens first.
      if (isFull(dir)) return noSpace(dir, error);
  }
  return new StoreError("ERR_STORE_DATABASE", `database in '${dir}' failed: ${error.message}`, {
    hint: "nothing was changed; see the cause",
    path: dir,
    cause: error,
  });
}

function isFull(dir: string): boolean {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize < 2 ** 20;
}
