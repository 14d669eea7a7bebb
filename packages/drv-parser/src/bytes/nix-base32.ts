import { DrvError } from "../error.js";
import { asciiOf } from "./text.js";

/** The 32 characters: digits and letters without `e o t u`. */
export const nixAlphabet = "0123456789abcdfghijklmnpqrsvwxyz";

const alphabetCodes = Uint8Array.from(nixAlphabet, (character) => character.charCodeAt(0));
const values = new Int8Array(128).fill(-1);
for (let index = 0; index < 32; index += 1) values[nixAlphabet.charCodeAt(index)] = index;

/** Value of a character of the alphabet, else -1. */
export function nixDigit(code: number): number {
  return code < 128 ? (values[code] as number) : -1;
}

/**
 * Nix's base 32: the bytes as one little-endian number, most significant group first.
 *
 * @see Nix: src/libutil/hash.cc, `printHash32`
 */
export function encodeNixBase32(bytes: Uint8Array): string {
  const length = encodedLength(bytes.length);
  const codes = new Uint8Array(length);
  for (let group = length - 1; group >= 0; group -= 1) {
    const [index, shift] = [(group * 5) >> 3, (group * 5) & 7];
    const low = (bytes[index] as number) >> shift;
    const high = shift > 3 ? (bytes[index + 1] ?? 0) << (8 - shift) : 0;
    codes[length - 1 - group] = alphabetCodes[(low | high) & 31] as number;
  }
  return asciiOf(codes);
}

/**
 * The bytes behind {@link encodeNixBase32}.
 *
 * @throws {@link DrvError} `ERR_HASH` for a foreign character, an impossible length, or bits past the end.
 */
export function decodeNixBase32(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length * 5) >> 3);
  if (encodedLength(bytes.length) !== text.length) refuse(text);
  for (let group = 0; group < text.length; group += 1) {
    const digit = nixDigit(text.charCodeAt(text.length - 1 - group));
    if (digit < 0) refuse(text);
    const [index, shift] = [(group * 5) >> 3, (group * 5) & 7];
    const spread = digit << shift;
    if (index < bytes.length) bytes[index] = (bytes[index] as number) | (spread & 0xff);
    else if (spread !== 0) refuse(text);
    if (spread > 0xff) {
      if (index + 1 >= bytes.length) refuse(text);
      bytes[index + 1] = (bytes[index + 1] as number) | (spread >> 8);
    }
  }
  return bytes;
}

function encodedLength(size: number): number {
  return size === 0 ? 0 : Math.floor((size * 8 - 1) / 5) + 1;
}

function refuse(text: string): never {
  throw new DrvError("ERR_HASH", `'${text}' is not valid base-32`, {
    hint: `the characters are ${nixAlphabet}`,
  });
}
