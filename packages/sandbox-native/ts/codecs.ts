import { type CancelFlag, type Cancellable, cancellable } from "./cancel.js";
import type { Outcome } from "./error.js";
import { loadAddon } from "./platform.js";
import { type ByteSource, type ByteStream, Bytes, bytesOf, type Coding } from "./streams.js";

/** A format of compressed data, as a narinfo calls it: `br` is brotli, `lz4` its frame format. */
export type Codec = "xz" | "zstd" | "bzip2" | "gzip" | "br" | "lz4";

/** How {@link compress} works. */
export interface CompressOptions extends Cancellable {
  /**
   * Effort: xz and gzip 0 to 9, zstd 1 to 22, bzip2 1 to 9, brotli 0 to 11, lz4 0 to 12. Default: that of the format's program, for brotli 6.
   */
  readonly level?: number | undefined;
}

/** How far {@link decompress} goes. */
export interface DecompressOptions extends Cancellable {
  /** Bytes that may come out. Default: any number. */
  readonly maxBytes?: number | undefined;
  /**
   * Bytes of window or dictionary that xz or zstd data may demand. Default: 128 MiB, the most that zstd writes unless told otherwise; the
   * other formats never demand more than 16 MiB.
   */
  readonly maxMemoryBytes?: number | undefined;
}

interface CodecsAddon {
  codeFile(coding: Coding, source: string, target: string, cancel: CancelFlag): Promise<Outcome<void>>;
}

/**
 * Compresses bytes: one stream, frame or member, with a checksum where the format has one.
 *
 * @throws What `source` throws, and the reason of the signal, while it is iterated; a plain error for a level that the format does not have.
 * @example
 * await pipeline(compress("zstd", dumpTree("result")), createWriteStream("result.nar.zst"));
 */
export function compress(
  codec: Codec,
  source: ByteSource,
  { level, signal }: CompressOptions = {},
): ByteStream {
  return coded({ codec, compress: true, level }, source, signal);
}

/**
 * What compressed bytes hold: all streams, frames or members, one behind the other, of which brotli has one. Memory is bounded, whatever the
 * data says.
 *
 * @throws SandboxError while it is iterated: `ERR_XZ_DATA`, `ERR_ZSTD_DATA`, `ERR_BZIP2_DATA`, `ERR_GZIP_DATA`, `ERR_BROTLI_DATA` or
 * `ERR_LZ4_DATA` for data that is damaged, cut short or followed by something else; `ERR_CODEC_SIZE` for more than `maxBytes`;
 * `ERR_CODEC_MEMORY` for data that demands more than `maxMemoryBytes`; what `source` throws; the reason of the signal.
 * @example
 * await restoreTree(decompress("xz", "result.nar.xz", { maxBytes: narSizeBytes }), "result");
 */
export function decompress(
  codec: Codec,
  source: ByteSource,
  { maxBytes, maxMemoryBytes, signal }: DecompressOptions = {},
): ByteStream {
  return coded({ codec, compress: false, maxBytes, maxMemoryBytes }, source, signal);
}

function coded(coding: Coding, source: ByteSource, signal: AbortSignal | undefined): ByteStream {
  const { origin, codings, signals } = bytesOf(source, signal);
  return new Bytes(origin, [...codings, coding], signals);
}

/**
 * Compresses a regular file into another, which is replaced if it exists and removed if compression fails.
 *
 * @throws SandboxError `ERR_TREE_TYPE`; `ERR_NO_SPACE`; `ERR_TREE_IO`; the reason of the signal.
 */
export async function compressFile(
  codec: Codec,
  sourcePath: string,
  targetPath: string,
  { level, signal }: CompressOptions = {},
): Promise<void> {
  await codeFile({ codec, compress: true, level }, sourcePath, targetPath, signal);
}

/**
 * Decompresses a regular file into another, which is replaced if it exists and removed if decompression fails.
 *
 * @throws SandboxError as {@link decompress}; `ERR_TREE_TYPE`; `ERR_NO_SPACE`; `ERR_TREE_IO`.
 */
export async function decompressFile(
  codec: Codec,
  sourcePath: string,
  targetPath: string,
  { maxBytes, maxMemoryBytes, signal }: DecompressOptions = {},
): Promise<void> {
  await codeFile({ codec, compress: false, maxBytes, maxMemoryBytes }, sourcePath, targetPath, signal);
}

function codeFile(coding: Coding, source: string, target: string, signal: AbortSignal | undefined) {
  return cancellable(signal, (flag) => (loadAddon() as CodecsAddon).codeFile(coding, source, target, flag));
}

/** {@link compressFile} by bzip2. */
export async function compressBzip2(sourcePath: string, targetPath: string): Promise<void> {
  await compressFile("bzip2", sourcePath, targetPath);
}

/** What a file compressed by bzip2 holds. @throws as {@link decompress}, while it is iterated. */
export function decompressBzip2(path: string): AsyncIterable<Uint8Array> {
  return decompress("bzip2", path);
}

/** {@link compressFile} by zstd. */
export async function compressZstd(sourcePath: string, targetPath: string): Promise<void> {
  await compressFile("zstd", sourcePath, targetPath);
}

/** What a file compressed by zstd holds. @throws as {@link decompress}, while it is iterated. */
export function decompressZstd(path: string): AsyncIterable<Uint8Array> {
  return decompress("zstd", path);
}
