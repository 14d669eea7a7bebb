import { bytesOf, concatBytes } from "../bytes/text.js";
import { type Hash, type HashAlgorithm, hashBytes } from "../hash/hash.js";

/** A hash that does not depend on what an object calls itself, and the bytes at which it does so. */
export interface SelfReferentialHash {
  readonly hash: Hash;
  /** Ascending. */
  readonly offsets: readonly number[];
}

/**
 * Hash of an object, as archive or as plain bytes, modulo its own hash part: zeros stand for it, and the offsets at which
 * it stood are hashed behind the rest.
 *
 * @param hashPart The 32 characters that the object has in its path now.
 * @see Nix: src/libstore/references.cc, `HashModuloSink`
 */
export function hashModuloSelf(
  algorithm: HashAlgorithm,
  bytes: Uint8Array,
  hashPart: string,
): SelfReferentialHash {
  const offsets = offsetsOf(bytes, bytesOf(hashPart));
  if (offsets.length === 0) return { hash: hashBytes(algorithm, bytes), offsets };
  const masked = bytes.slice();
  for (const offset of offsets) masked.fill(0, offset, offset + hashPart.length);
  const marks = bytesOf(offsets.map((offset) => `|${offset}`).join(""));
  return { hash: hashBytes(algorithm, concatBytes([masked, marks])), offsets };
}

/** The bytes with one hash part in place of another of the same length. */
export function replaceHashPart(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const replaced = bytes.slice();
  const replacement = bytesOf(to);
  for (const offset of offsetsOf(bytes, bytesOf(from))) replaced.set(replacement, offset);
  return replaced;
}

/** Left to right, not overlapping. */
function offsetsOf(bytes: Uint8Array, wanted: Uint8Array): readonly number[] {
  const offsets: number[] = [];
  const first = wanted[0];
  if (first === undefined) return offsets;
  let at = bytes.indexOf(first);
  while (at >= 0 && at + wanted.length <= bytes.length) {
    const found = wanted.every((byte, index) => bytes[at + index] === byte);
    if (found) offsets.push(at);
    at = bytes.indexOf(first, found ? at + wanted.length : at + 1);
  }
  return offsets;
}
