import { hashBytes, type StorePath } from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";

/** What is said of an object with this archive, which refers to nothing unless `more` says otherwise. */
export function pathInfoOf(path: StorePath, archive: Uint8Array, more: Partial<PathInfo> = {}): PathInfo {
  return {
    path,
    narHash: hashBytes("sha256", archive),
    narSizeBytes: archive.length,
    references: new Set(),
    registrationTimeSeconds: 0,
    ultimate: false,
    signatures: [],
    ...more,
  };
}
