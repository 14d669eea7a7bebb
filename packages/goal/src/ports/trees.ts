import type { Hash, HashAlgorithm } from "@drvkit/drv-parser";
import type { UidRange } from "./sandbox.js";

/** Top of a tree, without following a link. */
export interface TreeStat {
  readonly type: "regular" | "directory" | "symlink" | "other";
  /** Permission and type bits as in `st_mode`. */
  readonly mode: number;
  readonly uid: number;
  readonly sizeBytes: number;
}

/** NAR hash of a tree and the hash parts found in it. */
export interface ScanResult {
  /** sha256, 32 bytes. */
  readonly narHash: Uint8Array;
  readonly narSizeBytes: number;
  readonly found: readonly string[];
}

/** Files that were made canonical in one build: a hard link may join two of its outputs. Only the port knows what is in it. */
export type SeenInodes = object;

/** What work on a tree takes that may last: it ends at the next file or chunk with the signal's reason. */
export interface Cancellable {
  readonly signal?: AbortSignal;
}

/** How owners are treated. */
export interface CanonicaliseOptions extends Cancellable {
  /** The only owner that files may have. */
  readonly allowedUids?: UidRange;
  readonly seen?: SeenInodes;
}

/** One difference between two trees. `path` is that of the file below the top, and empty for the top itself. */
export type TreeDifference = { readonly path: Uint8Array } & (
  | { readonly kind: "only"; readonly onlyIn: "one" | "other" }
  /** Only there its owner may execute it. */
  | { readonly kind: "executable"; readonly onlyIn: "one" | "other" }
  | { readonly kind: "type"; readonly one: TreeStat["type"]; readonly other: TreeStat["type"] }
  /** A link with two targets. */
  | { readonly kind: "target"; readonly one: Uint8Array; readonly other: Uint8Array }
  | {
      readonly kind: "contents";
      readonly oneSizeBytes: number;
      readonly otherSizeBytes: number;
      /** The first byte that differs. */
      readonly offset: number;
      /** Where `one` and `other` begin, which are what is around that byte: at most 512 bytes before it and as many after. */
      readonly aroundOffset: number;
      readonly one: Uint8Array;
      readonly other: Uint8Array;
      /** The same lines, in another order. */
      readonly sameLines: boolean;
    }
);

/** What goals do to file trees a builder wrote. Implementations reach them by directory descriptors only. */
export interface TreesPort {
  stat(path: string): Promise<TreeStat | undefined>;
  /** Canonical modes, times, owners, no extended attributes; refuses foreign owners when `allowedUids` are given. */
  canonicalise(path: string, options: CanonicaliseOptions): Promise<void>;
  /** For the `seen` of the outputs of one build. */
  makeSeenInodes(): SeenInodes;
  /** Makes a tree canonical, then hashes and searches it. */
  canonicaliseAndScan(
    path: string,
    hashParts: readonly string[],
    options: CanonicaliseOptions,
  ): Promise<ScanResult>;
  /** `flat`: bytes of a regular file. `nar`: the archive of the tree. */
  hash(path: string, method: "flat" | "nar", algorithm: HashAlgorithm, options: Cancellable): Promise<Hash>;
  /**
   * A copy in which hash parts are replaced wherever they stand: in files, names and links. It is not canonical yet.
   * `rewrites`: texts of one length by those that stand for them.
   */
  rewrite(
    source: string,
    target: string,
    rewrites: ReadonlyMap<string, string>,
    options: Cancellable,
  ): Promise<void>;
  /** sha256 of the archive with zeros for `hashPart`, and behind it the offsets at which that stood, `|N` each. */
  hashModulo(path: string, hashPart: string, options: Cancellable): Promise<Uint8Array>;
  /** What differs, in the order of archives: `limit` differences are described, all are counted. */
  compare(
    one: string,
    other: string,
    options: Cancellable & { readonly limit: number },
  ): Promise<{ readonly differences: readonly TreeDifference[]; readonly count: number }>;
  copy(source: string, target: string, options: Cancellable): Promise<void>;
  move(from: string, to: string): Promise<void>;
  /** Puts a tree where another one may be, so that never nothing is there. The other one is at `from` afterwards. */
  replace(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Bytes available on the file system of `path`. */
  freeBytes(path: string): Promise<number>;
}
