import { decodeNixBase32, encodeNixBase32 } from "./bytes/nix-base32.js";
import { bytesOf } from "./bytes/text.js";
import { compressHash, hashBytes } from "./hash/hash.js";
import { type OutputName, outputPathName } from "./store-path/name.js";
import { derivationNameOf, hashPartOf, type StorePath } from "./store-path/store-path.js";

/** What stands for an output of the derivation itself until it is built. @see Nix: src/libstore/derivations.cc, `hashPlaceholder` */
export function outputPlaceholder(output: OutputName): string {
  return placeholder(`nix-output:${output}`);
}

/** What stands for an output of another derivation whose path is not known. @see Nix: src/libstore/derivations.cc, `downstreamPlaceholder` */
export function upstreamPlaceholder(drvPath: StorePath, output: OutputName): string {
  return placeholder(
    `nix-upstream-output:${hashPartOf(drvPath)}:${outputPathName(derivationNameOf(drvPath), output)}`,
  );
}

/**
 * What stands for an output of a derivation that is itself an output which is not known yet.
 *
 * @param of The placeholder of that output.
 * @throws {@link DrvError} `ERR_HASH` for a text that is no placeholder.
 * @see Nix: src/libstore/downstream-placeholder.cc, `DownstreamPlaceholder::unknownDerivation`
 */
export function computedPlaceholder(of: string, output: OutputName): string {
  const inner = encodeNixBase32(compressHash(decodeNixBase32(of.slice(1)), 20));
  return placeholder(`nix-computed-output:${inner}:${output}`);
}

function placeholder(text: string): string {
  return `/${encodeNixBase32(hashBytes("sha256", bytesOf(text)).digest)}`;
}
