import { decodeBase64 } from "../bytes/base64.js";
import { decodeNixBase32 } from "../bytes/nix-base32.js";
import { DrvError } from "../error.js";
import { type Hash, type HashAlgorithm, hashSizes, parseHashAlgorithm } from "./hash.js";

/**
 * A hash from any textual form: `ALGO:REST`, SRI, or a bare text when `algorithm` is known. The encoding of a text
 * that is not SRI follows from its length alone.
 *
 * @param algorithm What the context knows; where the text names one too they have to agree.
 * @throws {@link DrvError} `ERR_HASH`.
 * @see Nix: src/libutil/hash.cc, `Hash::parseAny`
 */
export function parseHash(text: string, algorithm?: HashAlgorithm): Hash {
  const { prefix, rest, isSri } = splitPrefix(text);
  const stated = prefix === undefined ? undefined : parseHashAlgorithm(prefix);
  if (stated !== undefined && algorithm !== undefined && stated !== algorithm)
    throw new DrvError("ERR_HASH", `hash '${text}' should have type '${algorithm}'`);
  const known = stated ?? algorithm;
  if (known === undefined)
    throw new DrvError("ERR_HASH", `hash '${text}' does not include a type`, {
      hint: "write it as ALGORITHM:HASH or ALGORITHM-BASE64",
    });
  const digest = isSri ? base64(rest, text) : decodeByLength(rest, known, text);
  if (digest.length !== hashSizes[known]) throw wrongLength(text, known);
  return { algorithm: known, digest };
}

function splitPrefix(text: string): {
  readonly prefix?: string;
  readonly rest: string;
  readonly isSri: boolean;
} {
  const colon = text.indexOf(":");
  if (colon >= 0) return { prefix: text.slice(0, colon), rest: text.slice(colon + 1), isSri: false };
  const dash = text.indexOf("-");
  if (dash >= 0) return { prefix: text.slice(0, dash), rest: text.slice(dash + 1), isSri: true };
  return { rest: text, isSri: false };
}

function decodeByLength(rest: string, algorithm: HashAlgorithm, text: string): Uint8Array {
  const size = hashSizes[algorithm];
  if (rest.length === size * 2) return decodeBase16(rest, text);
  if (rest.length === Math.floor((size * 8 - 1) / 5) + 1) return decodeNixBase32(rest);
  if (rest.length === Math.ceil(size / 3) * 4) return base64(rest, text);
  throw wrongLength(text, algorithm);
}

function base64(rest: string, text: string): Uint8Array {
  const bytes = decodeBase64(rest);
  if (bytes === undefined) throw new DrvError("ERR_HASH", `hash '${text}' is not valid base-64`);
  return bytes;
}

function wrongLength(text: string, algorithm: HashAlgorithm): DrvError {
  return new DrvError("ERR_HASH", `hash '${text}' has wrong length for hash type '${algorithm}'`);
}

function decodeBase16(rest: string, text: string): Uint8Array {
  const bytes = new Uint8Array(rest.length / 2);
  for (let index = 0; index < bytes.length; index += 1) {
    const [high, low] = [hexDigit(rest.charCodeAt(index * 2)), hexDigit(rest.charCodeAt(index * 2 + 1))];
    if (high < 0 || low < 0) throw new DrvError("ERR_HASH", `hash '${text}' is not valid base-16`);
    bytes[index] = (high << 4) | low;
  }
  return bytes;
}

/** Value of a digit of base 16 in either case, else -1. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
