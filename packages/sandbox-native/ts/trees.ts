import { lstatSync } from "node:fs";
import { type CancelFlag, type Cancellable, cancellable } from "./cancel.js";
import { type Outcome, unwrap } from "./error.js";
import { loadAddon } from "./platform.js";
import type { ScanResult, TreeStat } from "./types.js";

/** Algorithms of hashes in a store. */
export type TreeHashAlgorithm = "md5" | "sha1" | "sha256" | "sha512" | "blake3";

/** A hash and the number of bytes that went into it. */
export interface TreeHash {
  readonly digest: Uint8Array;
  readonly sizeBytes: number;
}

/**
 * Files that were canonicalised in one build. Give the same set for every output of a build: a hard link may join two of them.
 * Made by {@link makeSeenInodes}.
 */
export interface SeenInodes {
  readonly [seenInodes]: true;
}
declare const seenInodes: unique symbol;

/** How {@link canonicaliseTree} treats owners. */
export interface CanonicaliseOptions extends Cancellable {
  /** The only owner that files may have; without it any owner is taken. */
  readonly allowedUids?: { readonly first: number; readonly count: number };
  /** Default: a set of this call's own. */
  readonly seen?: SeenInodes;
}

type Codec = "bzip2" | "zstd";

interface TreeRestore {
  write(bytes: Uint8Array): Promise<Outcome<undefined>>;
  finish(): Promise<Outcome<undefined>>;
  close(): Promise<Outcome<undefined>>;
}

interface ChunkStream {
  next(): Promise<Outcome<Uint8Array | null>>;
  close(): void;
}

interface TreesAddon {
  hashTree(path: string, algorithm: string, cancel: CancelFlag): Promise<Outcome<TreeHash>>;
  hashFile(path: string, algorithm: string, cancel: CancelFlag): Promise<Outcome<TreeHash>>;
  scanTree(path: string, hashParts: readonly string[], cancel: CancelFlag): Promise<Outcome<ScanResult>>;
  canonicaliseTree(
    path: string,
    firstUid: number | undefined,
    uidCount: number | undefined,
    seen: SeenInodes,
    cancel: CancelFlag,
  ): Promise<Outcome<void>>;
  removeTree(path: string): Promise<Outcome<void>>;
  moveTree(from: string, to: string): Promise<Outcome<void>>;
  replaceTree(from: string, to: string): Promise<Outcome<void>>;
  statTree(path: string): Outcome<TreeStat | null>;
  compressFile(codec: Codec, source: string, target: string): Promise<Outcome<void>>;
  decompressFile(codec: Codec, path: string): ChunkStream;
  dumpTree(path: string): ChunkStream;
  readonly SeenInodes: new () => SeenInodes;
  readonly TreeRestore: new (target: string) => TreeRestore;
}

const addon = () => loadAddon() as TreesAddon;

/**
 * Hash of the archive (NAR) of a tree. Links are not followed, the top included.
 *
 * @throws SandboxError `ERR_TREE_TYPE` for a file that is neither regular, directory nor link; `ERR_TREE_DEPTH` for a tree of more than
 * 64 levels, the top included; `ERR_TREE_IO`.
 * @see Nix: src/libutil/archive.cc, `dumpPath`
 * @example
 * const { digest, sizeBytes } = await hashTree("result", "sha256");
 */
export async function hashTree(
  path: string,
  algorithm: TreeHashAlgorithm = "sha256",
  { signal }: Cancellable = {},
): Promise<TreeHash> {
  return cancellable(signal, (flag) => addon().hashTree(path, algorithm, flag));
}

/**
 * Hash of the bytes of one regular file.
 *
 * @throws SandboxError `ERR_TREE_TYPE` when it is not a regular file, a link included; `ERR_TREE_IO`.
 */
export async function hashFile(
  path: string,
  algorithm: TreeHashAlgorithm = "sha256",
  { signal }: Cancellable = {},
): Promise<TreeHash> {
  return cancellable(signal, (flag) => addon().hashFile(path, algorithm, flag));
}

/**
 * SHA-256 of the archive of a tree, and which of `hashParts` occur anywhere in it: names, link targets and contents alike.
 *
 * @throws As {@link hashTree}; a plain error when an element of `hashParts` is not the hash part of a store path.
 * @see Nix: src/libstore/references.cc, `RefScanSink`
 */
export async function scanTree(
  path: string,
  hashParts: readonly string[],
  { signal }: Cancellable = {},
): Promise<ScanResult> {
  return cancellable(signal, (flag) => addon().scanTree(path, hashParts, flag));
}

/**
 * The archive of a tree in chunks. Each is produced while the one before is consumed, and no further ahead.
 *
 * @throws As {@link hashTree}, while it is iterated.
 */
export function dumpTree(path: string): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => chunksOf(addon().dumpTree(path)) };
}

/**
 * Writes the tree of an archive to a path where nothing is. It appears there when the archive has come to its end and not before; what is
 * not finished is removed. Modes are those of fresh files, narrowed by the umask; the owner's execute bit is kept.
 *
 * @param archive In pieces, each of which is written before the next one is asked for.
 * @throws SandboxError `ERR_TREE_ARCHIVE` for what is no archive, or more than one; `ERR_TREE_EXISTS`; `ERR_NO_SPACE`; `ERR_TREE_IO`;
 * whatever `archive` throws; the reason of the signal.
 * @see Nix: src/libutil/archive.cc, `restorePath`
 */
export async function restoreTree(
  archive: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  target: string,
  { signal }: Cancellable = {},
): Promise<void> {
  const restore = new (addon().TreeRestore)(target);
  try {
    for await (const bytes of archive) {
      signal?.throwIfAborted();
      unwrap(await restore.write(bytes));
    }
    signal?.throwIfAborted();
    unwrap(await restore.finish());
  } catch (error) {
    await restore.close();
    throw error;
  }
}

/** A set for the `seen` of {@link canonicaliseTree}. */
export function makeSeenInodes(): SeenInodes {
  return new (addon().SeenInodes)();
}

/**
 * Gives every file of a tree its canonical metadata: mode 0444 or 0555, modified one second after the epoch, owned by us, without extended
 * attributes. Directories are 0555.
 *
 * A file of a foreign owner is refused before anything about it is changed; what was visited before it stays changed.
 *
 * @throws SandboxError `ERR_TREE_OWNERSHIP` for an owner outside of `allowedUids`, unless it is a further link to a file of `seen`;
 * `ERR_TREE_TYPE`; `ERR_TREE_IO`.
 * @see Nix: src/libstore/posix-fs-canonicalise.cc, `canonicalisePathMetaData`
 */
export async function canonicaliseTree(path: string, options: CanonicaliseOptions = {}): Promise<void> {
  const { allowedUids, seen = makeSeenInodes(), signal } = options;
  await cancellable(signal, (flag) =>
    addon().canonicaliseTree(path, allowedUids?.first, allowedUids?.count, seen, flag),
  );
}

/**
 * Removes a tree, also one without permissions and of any depth. Links are removed, not followed. An absent path is fine.
 *
 * @throws SandboxError `ERR_TREE_IO`, among others for something mounted inside.
 */
export async function removeTree(path: string): Promise<void> {
  // Most often there is none: asking costs less than handing the removal to another thread.
  if (!existsWithoutFollowing(path)) return;
  unwrap(await addon().removeTree(path));
}

function existsWithoutFollowing(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true; // what is wrong with it is told by the removal
  }
}

/**
 * Renames a tree to a free path on the same file system, also a read-only directory.
 *
 * @throws SandboxError `ERR_TREE_EXISTS` when `to` is taken; `ERR_TREE_IO`, with `errno` EXDEV across file systems.
 */
export async function moveTree(from: string, to: string): Promise<void> {
  unwrap(await addon().moveTree(from, to));
}

/**
 * Puts a tree where another one may be, on the same file system and in one step: at no moment is nothing at `to`. What was there is at
 * `from` afterwards.
 *
 * @throws SandboxError `ERR_TREE_IO`, with `errno` EXDEV across file systems.
 */
export async function replaceTree(from: string, to: string): Promise<void> {
  unwrap(await addon().replaceTree(from, to));
}

/**
 * The top of a tree, not followed when it is a link; `undefined` when nothing is there.
 *
 * @throws SandboxError `ERR_TREE_IO`
 */
export async function statTree(path: string): Promise<TreeStat | undefined> {
  return unwrap(addon().statTree(path)) ?? undefined;
}

/**
 * Compresses a regular file into another, which is replaced if it exists and removed if compression fails.
 *
 * @throws SandboxError `ERR_TREE_TYPE`; `ERR_NO_SPACE`; `ERR_TREE_IO`.
 */
export async function compressBzip2(sourcePath: string, targetPath: string): Promise<void> {
  unwrap(await addon().compressFile("bzip2", sourcePath, targetPath));
}

/**
 * What a file compressed by bzip2 holds, in chunks of bounded size, each produced while the one before is consumed.
 *
 * @throws SandboxError `ERR_BZIP2_DATA` for data that is damaged or cut short; `ERR_TREE_TYPE`; `ERR_TREE_IO`; while it is iterated.
 */
export function decompressBzip2(path: string): AsyncIterable<Uint8Array> {
  return decompressed("bzip2", path);
}

/**
 * Compresses a regular file into another, which is replaced if it exists and removed if compression fails: one frame, with a checksum.
 *
 * @throws SandboxError `ERR_TREE_TYPE`; `ERR_NO_SPACE`; `ERR_TREE_IO`.
 */
export async function compressZstd(sourcePath: string, targetPath: string): Promise<void> {
  unwrap(await addon().compressFile("zstd", sourcePath, targetPath));
}

/**
 * What a file compressed by zstd holds, all its frames, in chunks of bounded size, each produced while the one before is consumed.
 *
 * @throws SandboxError `ERR_ZSTD_DATA` for data that is damaged or cut short, or was compressed to need more than 128 MiB of memory;
 * `ERR_TREE_TYPE`; `ERR_TREE_IO`; while it is iterated.
 * @see RFC 8878
 */
export function decompressZstd(path: string): AsyncIterable<Uint8Array> {
  return decompressed("zstd", path);
}

function decompressed(codec: Codec, path: string): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => chunksOf(addon().decompressFile(codec, path)) };
}

async function* chunksOf(stream: ChunkStream): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    let ahead = stream.next();
    for (;;) {
      const chunk = unwrap(await ahead);
      if (chunk === null) return;
      ahead = stream.next();
      yield chunk;
    }
  } finally {
    stream.close();
  }
}
