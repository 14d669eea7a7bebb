import { createHash } from "node:crypto";
import { parseStorePath, type StoreDir, type StorePath } from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import type { LmdbStore } from "@drvkit/store-lmdb";
import type { SourceEntry } from "./list.js";

/** What a source came to: for a listing with this sha256, this store object. */
interface SourceRecord {
  readonly listing: Uint8Array;
  readonly narHash: Uint8Array;
  readonly path: StorePath;
}

/** `request`: everything but the files that decides about the result, as a text. */
export type SourceRequest = string;

/**
 * sha256 of a request and of what is taken: all stamps but those of folders, which change with things that are left out.
 */
export function digestListing(request: SourceRequest, entries: readonly SourceEntry[]): Uint8Array {
  const hash = createHash("sha256").update(`${request}\0`);
  for (const { path, type, stamp } of entries) {
    hash.update(path).update(`\0${type}\0`);
    if (type !== "directory") hash.update(stamp);
  }
  return hash.digest();
}

/** The valid object that a listing came to before, if it is still there and the same. */
export async function recall(
  store: LmdbStore,
  request: SourceRequest,
  listing: Uint8Array,
): Promise<PathInfo | undefined> {
  const value = await store.cache.get("sources", await keyOf(request));
  const record = value && decode(store.storeDir, value);
  if (record === undefined || !isEqual(record.listing, listing)) return undefined;
  await store.addTempRoot(record.path);
  const info = await store.queryPathInfo(record.path);
  return info !== undefined && isEqual(info.narHash.digest, record.narHash) ? info : undefined;
}

/** Remembers what a listing came to, in place of what the same request came to before. */
export async function remember(
  store: LmdbStore,
  request: SourceRequest,
  { listing, info }: { readonly listing: Uint8Array; readonly info: PathInfo },
): Promise<void> {
  const record = { listing, narHash: info.narHash.digest, path: info.path };
  await store.cache.put("sources", await keyOf(request), encode(record));
}

let hasher: Promise<(text: string) => bigint> | undefined;

async function keyOf(request: SourceRequest): Promise<Uint8Array> {
  hasher ??= import("xxhash-wasm").then(async ({ default: load }) => (await load()).h64);
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE((await hasher)(request));
  return key;
}

const version = 1;
const hashBytes = 32;

function encode({ listing, narHash, path }: SourceRecord): Uint8Array {
  return Buffer.concat([Uint8Array.of(version), listing, narHash, Buffer.from(path)]);
}

function decode(storeDir: StoreDir, value: Uint8Array): SourceRecord | undefined {
  if (value[0] !== version) return undefined;
  const [listing, narHash] = [
    value.subarray(1, 1 + hashBytes),
    value.subarray(1 + hashBytes, 1 + 2 * hashBytes),
  ];
  try {
    const path = parseStorePath(storeDir, Buffer.from(value.subarray(1 + 2 * hashBytes)).toString());
    return { listing, narHash, path };
  } catch {
    return undefined; // of another store directory
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
