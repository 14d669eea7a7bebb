import { type CancelFlag, type Cancellable, cancellable } from "./cancel.js";
import type { Outcome } from "./error.js";
import { loadAddon } from "./platform.js";
import type { ScanResult } from "./types.js";

/** Algorithms of hashes in a store. */
export type TreeHashAlgorithm = "md5" | "sha1" | "sha256" | "sha512" | "blake3";

/** A hash and the number of bytes that went into it. */
export interface TreeHash {
  readonly digest: Uint8Array;
  readonly sizeBytes: number;
}

/** How SHA-256 is computed: by instructions of an x64 or arm64 processor, or by code for any. */
export type HashImplementation = "sha-ni" | "armv8" | "portable";

interface HashAddon {
  hashTree(path: string, algorithm: string, cancel: CancelFlag): Promise<Outcome<TreeHash>>;
  hashFile(path: string, algorithm: string, cancel: CancelFlag): Promise<Outcome<TreeHash>>;
  scanTree(path: string, hashParts: readonly string[], cancel: CancelFlag): Promise<Outcome<ScanResult>>;
  sha256Implementation(): HashImplementation;
}

const addon = () => loadAddon() as HashAddon;

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
 * Which implementation of SHA-256 runs on this machine: without the processor's instructions hashing takes several times as long.
 *
 * @throws SandboxError `ERR_PLATFORM`
 */
export function hashImplementation(): HashImplementation {
  return addon().sha256Implementation();
}
