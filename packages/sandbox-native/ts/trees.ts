export type { Cancellable } from "./cancel.js";
export {
  type Codec,
  type CompressOptions,
  compress,
  compressBzip2,
  compressFile,
  compressZstd,
  type DecompressOptions,
  decompress,
  decompressBzip2,
  decompressFile,
  decompressZstd,
} from "./codecs.js";
export { type CompareOptions, compareTrees, type TreeComparison, type TreeDifference } from "./compare.js";
export { type CopyOptions, copyCanonicalTree, copyTree } from "./copy.js";
export { type DumpOptions, dumpTree, type TreeDump } from "./dump.js";
export { SandboxError, type SandboxErrorCode } from "./error.js";
export {
  type HashImplementation,
  hashFile,
  hashImplementation,
  hashTree,
  scanTree,
  type TreeHash,
  type TreeHashAlgorithm,
} from "./hash.js";
export { type EntryType, type ListedEntry, listDirectory, statEntry } from "./listing.js";
export { listTree, type TreeListing } from "./outline.js";
export { type PlatformSupport, platformSupport } from "./platform.js";
export { type NarHash, type RestoreOptions, restoreTree } from "./restore.js";
export { hashTreeModulo, rewriteTree } from "./rewrite.js";
export type { ByteSource, ByteStream } from "./streams.js";
export {
  type CanonicaliseOptions,
  canonicaliseAndScanTree,
  canonicaliseTree,
  makeSeenInodes,
  moveTree,
  removeTree,
  removeTrees,
  replaceTree,
  type SeenInodes,
  statTree,
  syncTree,
} from "./tree.js";
export type { ScanResult, TreeStat } from "./types.js";
