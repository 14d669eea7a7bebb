import { encodeNixBase32 } from "./bytes/nix-base32.js";
import { bytesOf } from "./bytes/text.js";
import { hashBytes } from "./hash/hash.js";
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

function placeholder(text: string): string {
  return `/${encodeNixBase32(hashBytes("sha256", bytesOf(text)).digest)}`;
}
