import { DrvError } from "../error.js";

const encoder = new TextEncoder();
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 of `text`. */
export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/**
 * The text that `bytes` encode.
 *
 * @throws {@link DrvError} `ERR_NOT_UTF8`: data would be lost.
 */
export function textOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return ""; // Common in derivations, and a decoder takes as long as for a path.
  try {
    return strict.decode(bytes);
  } catch (cause) {
    throw new DrvError("ERR_NOT_UTF8", "the bytes are not UTF-8 text", {
      hint: "read the value as bytes",
      cause,
    });
  }
}

/** The text that `bytes` encode, `undefined` when they encode none. */
export function textOrUndefined(bytes: Uint8Array): string | undefined {
  try {
    return textOf(bytes);
  } catch {
    return undefined;
  }
}

/** The text of these ASCII codes: sooner there than by putting characters together. */
export function asciiOf(codes: Uint8Array): string {
  return lenient.decode(codes);
}

/** Order of byte strings: unsigned bytes, a shorter prefix first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const difference = (a[index] as number) - (b[index] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Byte order of the UTF-8 of two texts; JavaScript's own order differs beyond the basic plane. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let index = 0;
  while (index < length && a.charCodeAt(index) === b.charCodeAt(index)) index += 1;
  if (index === length) return a.length - b.length;
  const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
  return isSurrogate(left) || isSurrogate(right) ? compareBytes(bytesOf(a), bytesOf(b)) : left - right;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/** The parts one after another. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
