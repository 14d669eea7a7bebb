import { compareText, printHash } from "@drvkit/drv-parser";
import { NarInfoError } from "./error.js";
import type { PathInfo } from "./path-info.js";

/**
 * What of an object is signed: its path, the hash and size of its archive, its references. Deriver, content address and
 * where a cache keeps it are not.
 *
 * @throws {@link NarInfoError} `ERR_NARINFO_UNSIGNABLE` when the size is not known.
 * @see Nix: src/libstore/path-info.cc, `ValidPathInfo::fingerprint`
 */
export function fingerprintOf(info: PathInfo): string {
  if (info.narSizeBytes === 0)
    throw new NarInfoError(
      "ERR_NARINFO_UNSIGNABLE",
      `cannot calculate fingerprint of path '${info.path}' because its size is not known`,
    );
  const hash = printHash(info.narHash, "prefixedNix32");
  const references = [...info.references].sort(compareText).join(",");
  return `1;${info.path};${hash};${info.narSizeBytes};${references}`;
}
