import {
  baseNameOf,
  compareText,
  type Hash,
  hashPartOf,
  printContentAddress,
  printHash,
  type StorePath,
} from "@drvkit/drv-parser";
import { NarInfoError } from "./error.js";
import type { PathInfo } from "./path-info.js";

/** What a binary cache says of one store object: its path info, and where its archive is. */
export interface NarInfo extends PathInfo {
  /** Relative to the root of the cache, or absolute. */
  readonly url: string;
  /** Name of the compression; what it means is for whoever decompresses. */
  readonly compression: string;
  /** sha256 of the compressed file. */
  readonly fileHash?: Hash;
  /** Length of the compressed file. */
  readonly fileSizeBytes?: number;
}

/** Name of the file in a cache that describes this object. */
export function narInfoFileName(path: StorePath): string {
  return `${hashPartOf(path)}.narinfo`;
}

/**
 * The text of a narinfo: keys in Nix's order, references and signatures in byte order.
 *
 * @throws {@link NarInfoError} `ERR_NARINFO_UNPRINTABLE` for a value with a line end, an empty URL, or a size of 0.
 * @see Nix: src/libstore/nar-info.cc, `NarInfo::to_string`
 */
export function printNarInfo(info: NarInfo): string {
  const lines = [...linesOf(info)];
  for (const [key, value] of lines)
    if (/[\r\n]/u.test(value)) refuse(`${key} of '${info.path}' has a line end in it`);
  if (info.url === "") refuse(`'${info.path}' has no URL`);
  if (info.narSizeBytes === 0) refuse(`the size of the archive of '${info.path}' is not known`);
  return lines.map(([key, value]) => `${key}: ${value}\n`).join("");
}

function* linesOf(info: NarInfo): Generator<readonly [key: string, value: string], void, undefined> {
  yield ["StorePath", info.path];
  yield ["URL", info.url];
  yield ["Compression", info.compression];
  if (info.fileHash !== undefined) yield ["FileHash", printHash(info.fileHash, "prefixedNix32")];
  if (info.fileSizeBytes !== undefined) yield ["FileSize", String(info.fileSizeBytes)];
  yield ["NarHash", printHash(info.narHash, "prefixedNix32")];
  yield ["NarSize", String(info.narSizeBytes)];
  yield ["References", [...info.references].map(baseNameOf).sort(compareText).join(" ")];
  if (info.deriver !== undefined) yield ["Deriver", baseNameOf(info.deriver)];
  for (const signature of [...new Set(info.signatures)].sort(compareText)) yield ["Sig", signature];
  if (info.ca !== undefined) yield ["CA", printContentAddress(info.ca)];
}

function refuse(message: string): never {
  throw new NarInfoError("ERR_NARINFO_UNPRINTABLE", message);
}
