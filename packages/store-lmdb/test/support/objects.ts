import { defaultStoreDir, hashBytes, makeStorePath, type StorePath } from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";

/** A path whose hash part comes from its name: for registrations that no file stands behind. */
export function pathOf(name: string): StorePath {
  const digest = hashBytes("sha256", Buffer.from(name)).digest;
  const alphabet = "0123456789abcdfghijklmnpqrsvwxyz";
  const hashPart = Array.from({ length: 32 }, (_, i) => alphabet[(digest[i] ?? 0) % 32]).join("");
  return makeStorePath(defaultStoreDir, `${hashPart}-${name}`);
}

/** An input-addressed object. */
export function inputOf(name: string, references: readonly string[] = []): PathInfo {
  return {
    path: pathOf(name),
    narHash: hashBytes("sha256", Buffer.from(name)),
    narSizeBytes: 112 + name.length,
    references: new Set(references.map(pathOf)),
    registrationTimeSeconds: 1700000000,
    ultimate: false,
    signatures: [],
  };
}
