import { digests } from "#digests";
import { DrvError } from "../error.js";

/** Algorithms of hashes in derivations. */
export type HashAlgorithm = "md5" | "sha1" | "sha256" | "sha512" | "blake3";

/** A digest and what made it. */
export interface Hash {
  readonly algorithm: HashAlgorithm;
  readonly digest: Uint8Array;
}

/** Digest sizes in bytes. */
export const hashSizes: Readonly<Record<HashAlgorithm, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  blake3: 32,
};

/**
 * The algorithm of this name, which is exact and in lower case.
 *
 * @throws {@link DrvError} `ERR_HASH` for a name that is none.
 */
export function parseHashAlgorithm(text: string): HashAlgorithm {
  if (Object.hasOwn(hashSizes, text)) return text as HashAlgorithm;
  throw new DrvError("ERR_HASH", `unknown hash algorithm '${text}'`, {
    hint: "md5, sha1, sha256, sha512 and blake3 are known",
  });
}

/** The digest of `bytes`. */
export function hashBytes(algorithm: HashAlgorithm, bytes: Uint8Array): Hash {
  return { algorithm, digest: digests[algorithm](bytes) };
}

/**
 * Folds a digest to `size` bytes by exclusive or.
 *
 * @see Nix: src/libutil/hash.cc, `compressHash`
 */
export function compressHash(digest: Uint8Array, size: number): Uint8Array {
  const folded = new Uint8Array(size);
  for (let index = 0; index < digest.length; index += 1)
    folded[index % size] = (folded[index % size] as number) ^ (digest[index] as number);
  return folded;
}

/** Whether both are of one algorithm and have equal bytes. */
export function hashesEqual(a: Hash, b: Hash): boolean {
  return (
    a.algorithm === b.algorithm &&
    a.digest.length === b.digest.length &&
    a.digest.every((byte, index) => byte === b.digest[index])
  );
}
