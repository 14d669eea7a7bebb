import { encodeBase64 } from "../bytes/base64.js";
import { encodeNixBase32 } from "../bytes/nix-base32.js";
import type { Hash } from "./hash.js";

/** Textual forms of a hash. `prefixed…` put `ALGORITHM:` before it. */
export type HashForm = "base16" | "nix32" | "base64" | "sri" | "prefixedBase16" | "prefixedNix32";

/** The text of a hash in one of its forms. */
export function printHash(hash: Hash, form: HashForm): string {
  switch (form) {
    case "base16":
      return encodeBase16(hash.digest);
    case "nix32":
      return encodeNixBase32(hash.digest);
    case "base64":
      return encodeBase64(hash.digest);
    case "sri":
      return `${hash.algorithm}-${encodeBase64(hash.digest)}`;
    case "prefixedBase16":
      return `${hash.algorithm}:${encodeBase16(hash.digest)}`;
    case "prefixedNix32":
      return `${hash.algorithm}:${encodeNixBase32(hash.digest)}`;
  }
}

const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Two lower-case digits for each byte. */
export function encodeBase16(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hexPairs[byte];
  return text;
}
