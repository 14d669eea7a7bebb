import {
  compareText,
  type DerivationOutline,
  isDerivationPath,
  type OutputName,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { notValid, StoreError } from "./error.js";
import { decodeOutputPathsUnchecked, OutlineDecoder } from "./outline-record.js";
import {
  decodeDeriverUnchecked,
  decodeOutputNameUnchecked,
  decodePathUnchecked,
  decodeRecordUnchecked,
  decodeReferencesUnchecked,
} from "./record.js";
import { outputKey, pathKey, type ReadTables } from "./schema.js";

const hashPartPattern = /^[0-9a-df-np-sv-z]{32}$/;
const hashPartLength = 32;

/** Questions about one snapshot of the database. Everything they return is decoded and independent of it. */
export class Snapshot {
  readonly #tables: ReadTables;
  readonly #storeDir: StoreDir;

  constructor(tables: ReadTables, storeDir: StoreDir) {
    this.#tables = tables;
    this.#storeDir = storeDir;
  }

  isValid(path: StorePath): boolean {
    return this.#isOwn(path) && this.#tables.paths.has(pathKey(path));
  }

  queryPathInfo(path: StorePath): PathInfo | undefined {
    const record = this.#record(path);
    return record && decodeRecordUnchecked(this.#storeDir, path, record);
  }

  /** `undefined` when `path` is not valid. */
  queryReferences(path: StorePath): readonly StorePath[] | undefined {
    const record = this.#record(path);
    return record && decodeReferencesUnchecked(this.#storeDir, path, record);
  }

  queryDeriver(path: StorePath): StorePath | undefined {
    const record = this.#record(path);
    return record && decodeDeriverUnchecked(this.#storeDir, path, record);
  }

  queryReferrers(path: StorePath): readonly StorePath[] {
    return this.#pathsOf(this.#tables.referrers.values(pathKey(path)));
  }

  queryDerivers(path: StorePath): readonly StorePath[] {
    return this.#pathsOf(this.#tables.derivers.values(pathKey(path)));
  }

  requireDerivationOutputs(drvPath: StorePath): ReadonlyMap<OutputName, StorePath> {
    const outputs = this.queryStatedOutputs(drvPath);
    if (outputs === undefined) throw notValid(drvPath);
    return outputs;
  }

  /** The outputs whose paths a derivation states; `undefined` when it is not valid. */
  queryStatedOutputs(drvPath: StorePath): ReadonlyMap<OutputName, StorePath> | undefined {
    const outline = this.#outline(drvPath);
    if (outline !== undefined) return decodeOutputPathsUnchecked(this.#storeDir, drvPath, outline);
    return this.isValid(drvPath) ? this.#outputsWithoutOutline(drvPath) : undefined;
  }

  /** `undefined` when the derivation is not valid, or an older version registered it: then there is none. */
  queryOutline(drvPath: StorePath, decoder: OutlineDecoder): DerivationOutline | undefined {
    const outline = this.#outline(drvPath);
    return outline === undefined ? undefined : decoder.decodeUnchecked(drvPath, outline);
  }

  /** For {@link queryOutline} of many. */
  outlineDecoder(): OutlineDecoder {
    return new OutlineDecoder(this.#storeDir);
  }

  #outputsWithoutOutline(drvPath: StorePath): ReadonlyMap<OutputName, StorePath> {
    const prefix = outputKey(drvPath);
    const outputs = new Map<OutputName, StorePath>();
    for (const { key, value } of this.#tables.drvOutputs.from(prefix)) {
      if (!startsWith(key, prefix)) break;
      const name = decodeOutputNameUnchecked(key, prefix.byteLength);
      outputs.set(name, decodePathUnchecked(this.#storeDir, value));
    }
    return outputs;
  }

  queryPathFromHashPart(hashPart: string): StorePath | undefined {
    if (!hashPartPattern.test(hashPart)) {
      throw new StoreError("ERR_STORE_HASH_PART", `invalid hash part '${hashPart}'`, {
        hint: "a hash part is the 32 characters before the first dash of a store path's name",
      });
    }
    const prefix = Buffer.from(hashPart, "latin1");
    for (const { key } of this.#tables.paths.from(prefix)) {
      return startsWith(key, prefix) ? decodePathUnchecked(this.#storeDir, key) : undefined;
    }
    return undefined;
  }

  queryAllValidPaths(): ReadonlySet<StorePath> {
    const first = Buffer.alloc(hashPartLength, "0");
    const all = new Set<StorePath>();
    for (const { key } of this.#tables.paths.from(first)) all.add(decodePathUnchecked(this.#storeDir, key));
    return all;
  }

  /** The outputs of a derivation that are known from the database and valid; nothing for other paths. */
  queryValidOutputs(path: StorePath): readonly StorePath[] {
    if (!isDerivationPath(path)) return [];
    const outputs = this.queryStatedOutputs(path);
    return [...(outputs?.values() ?? [])].filter((output) => this.isValid(output));
  }

  #record(path: StorePath): Uint8Array | undefined {
    return this.#isOwn(path) ? this.#tables.paths.get(pathKey(path)) : undefined;
  }

  #outline(path: StorePath): string | undefined {
    return this.#isOwn(path) ? this.#tables.outlines.text(pathKey(path)) : undefined;
  }

  /** The key is the base name alone: a path of another store directory must not find it. */
  #isOwn(path: StorePath): boolean {
    return path.startsWith(this.#storeDir) && path[this.#storeDir.length] === "/";
  }

  #pathsOf(baseNames: Iterable<Uint8Array>): readonly StorePath[] {
    return Array.from(baseNames, (name) => decodePathUnchecked(this.#storeDir, name)).sort(compareText);
  }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.byteLength >= prefix.byteLength && prefix.every((byte, index) => bytes[index] === byte);
}
