import { encodeBase64 } from "../bytes/base64.js";
import { encodeNixBase32 } from "../bytes/nix-base32.js";
import { asciiOf } from "../bytes/text.js";
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

const hexDigits = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));

/** Two lower-case digits for each byte. */
export function encodeBase16(bytes: Uint8Array): string {
  const codes = new Uint8Array(bytes.length * 2);
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] as number;
    codes[index * 2] = hexDigits[byte >> 4] as number;
    codes[index * 2 + 1] = hexDigits[byte & 15] as number;
  }
  return asciiOf(codes);
}
