import { setImmediate } from "node:timers/promises";
import {
  type DerivationOutline,
  isDerivationPath,
  outlineOf,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import { isContentAddressed, type PathInfo } from "@drvkit/narinfo";
import { sortTopologically } from "./closure.js";
import type { DerivationReader } from "./derivations.js";
import { notValid, StoreError } from "./error.js";
import { encodeOutline } from "./outline-record.js";
import { Snapshot } from "./query.js";
import { encodeRecord } from "./record.js";
import { type Database, outputKey, pathKey, type ReadTables, type WriteTables } from "./schema.js";

/** What registration needs of an open store. */
export interface RegisterContext {
  readonly storeDir: StoreDir;
  readonly database: Database;
  readonly derivations: DerivationReader;
}

type Outlines = ReadonlyMap<StorePath, DerivationOutline>;

/**
 * Makes all of `infos` valid in one transaction, or none. Files are read before it, so that the transaction is data
 * work only; whatever may have changed in the meantime is checked inside it.
 *
 * @throws `ERR_STORE_NOT_VALID` for a reference that is neither valid nor in the set, `ERR_STORE_CYCLE`,
 * `ERR_STORE_PATH_MISMATCH` for a content address that does not lead to the path, `ERR_STORE_DIR_MISMATCH`, and
 * `ERR_DRV_…` for a derivation that is not what it claims.
 * @see Nix: src/libstore/local-store.cc, `LocalStore::registerValidPaths`
 */
export async function registerValidPaths(cx: RegisterContext, infos: readonly PathInfo[]): Promise<void> {
  if (infos.length === 0) return;
  for (const info of infos) requireOwn(cx.storeDir, info);
  sortTopologically(unionPaths(infos), referencesIn(infos));
  cx.database.read((tables) => requireReferences(tables, cx.storeDir, infos));
  const outlines = await readOutlines(cx.derivations, infos);
  const now = Math.floor(Date.now() / 1000);
  await cx.database.write((tables) => {
    requireReferences(tables, cx.storeDir, infos);
    for (const info of infos)
      put(tables, cx.storeDir, { ...info, registrationTimeSeconds: info.registrationTimeSeconds || now });
    putOutlines(tables, outlines);
  });
}

function requireOwn(storeDir: StoreDir, info: PathInfo): void {
  if (info.narHash.algorithm !== "sha256") throw new Error(`bug: NAR hash of '${info.path}' is not sha256`);
  if (info.path.startsWith(`${storeDir}/`)) return;
  throw new StoreError(
    "ERR_STORE_DIR_MISMATCH",
    `path '${info.path}' is not in the store directory '${storeDir}'`,
    {
      hint: "make paths with the store directory of the store",
      path: info.path,
    },
  );
}

function unionPaths(infos: readonly PathInfo[]): Set<StorePath> {
  return new Set(infos.map((info) => info.path));
}

function referencesIn(infos: readonly PathInfo[]): (path: StorePath) => Iterable<StorePath> {
  const byPath = new Map(infos.map((info) => [info.path, info.references]));
  return (path) => byPath.get(path) ?? [];
}

function requireReferences(tables: ReadTables, storeDir: StoreDir, infos: readonly PathInfo[]): void {
  const snapshot = new Snapshot(tables, storeDir);
  const set = unionPaths(infos);
  for (const info of infos) {
    for (const reference of info.references) {
      if (!set.has(reference) && !snapshot.isValid(reference)) throw notValid(reference);
    }
  }
}

/** Every derivation of the set is checked, whether it is valid already or not. */
async function readOutlines(derivations: DerivationReader, infos: readonly PathInfo[]): Promise<Outlines> {
  const outlines = new Map<StorePath, DerivationOutline>();
  for (const { path } of infos) {
    if (!isDerivationPath(path)) continue;
    outlines.set(path, outlineOf(path, derivations.readValidated(path)));
    // A file is read and hashed in about a millisecond; many of them must not hold the event loop.
    await setImmediate();
  }
  return outlines;
}

function put(tables: WriteTables, storeDir: StoreDir, info: PathInfo): void {
  const stored = new Snapshot(tables, storeDir).queryPathInfo(info.path);
  const next = stored === undefined ? info : merged(stored, info);
  if (stored === undefined) requireContentAddress(info);
  tables.paths.put(pathKey(info.path), encodeRecord(next));
  for (const reference of stored?.references ?? []) {
    if (!next.references.has(reference)) tables.referrers.remove(pathKey(reference), pathKey(info.path));
  }
  for (const reference of next.references) {
    if (!stored?.references.has(reference)) tables.referrers.put(pathKey(reference), pathKey(info.path));
  }
}

/**
 * What a registered path becomes when it is registered again: deriver and time stay. References are only added while the
 * content is the same; other content (repair) brings its own set of references.
 */
function merged(stored: PathInfo, info: PathInfo): PathInfo {
  const { ca: _oldCa, builderSaw: _sawBefore, ...rest } = stored;
  const sameContent = Buffer.compare(stored.narHash.digest, info.narHash.digest) === 0;
  return {
    ...rest,
    narHash: info.narHash,
    narSizeBytes: info.narSizeBytes,
    references: sameContent ? new Set([...stored.references, ...info.references]) : info.references,
    ultimate: info.ultimate,
    signatures: info.signatures,
    ...(info.ca !== undefined && { ca: info.ca }),
    ...(info.builderSaw !== undefined && { builderSaw: info.builderSaw }),
  };
}

function requireContentAddress(info: PathInfo): void {
  if (info.ca === undefined || isContentAddressed(info)) return;
  throw new StoreError(
    "ERR_STORE_PATH_MISMATCH",
    `cannot add path '${info.path}' to the Nix store because it claims to be content-addressed but isn't`,
    {
      hint: "compute the path from the content address and the references, or leave the content address out",
      path: info.path,
    },
  );
}

function putOutlines(tables: WriteTables, outlines: Outlines): void {
  for (const [drvPath, outline] of outlines) {
    tables.outlines.put(pathKey(drvPath), encodeOutline(outline));
    for (const { name, path } of outline.outputs) {
      if (path === undefined) continue;
      tables.drvOutputs.put(outputKey(drvPath, name), pathKey(path));
      tables.derivers.put(pathKey(path), pathKey(drvPath));
    }
  }
}
