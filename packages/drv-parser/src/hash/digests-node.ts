import { hash } from "node:crypto";
import { createRequire } from "node:module";

type Digest = (bytes: Uint8Array) => Uint8Array;

/** Node's own hash functions, which are faster and sooner loaded; it has no blake3. */
export const digests = {
  md5: nodeDigest("md5"),
  sha1: nodeDigest("sha1"),
  sha256: nodeDigest("sha256"),
  sha512: nodeDigest("sha512"),
  blake3,
} as const;

function nodeDigest(algorithm: string): Digest {
  return (bytes) => {
    const { buffer, byteOffset, length } = hash(algorithm, bytes, "buffer");
    return new Uint8Array(buffer, byteOffset, length);
  };
}

let loaded: Digest | undefined;

/** Loaded when first asked for: hardly anybody does, and everybody would wait for it. */
function blake3(bytes: Uint8Array): Uint8Array {
  loaded ??= (
    createRequire(import.meta.url)("@noble/hashes/blake3.js") as typeof import("@noble/hashes/blake3.js")
  ).blake3;
  return loaded(bytes);
}
