import { createRequire } from "node:module";

type Crypto = typeof import("node:crypto");
type Digest = (bytes: Uint8Array) => Uint8Array;

/** Node's own hash functions, which are faster and sooner loaded; it has no blake3. */
export const digests = {
  md5: nodeDigest("md5"),
  sha1: nodeDigest("sha1"),
  sha256: nodeDigest("sha256"),
  sha512: nodeDigest("sha512"),
  blake3,
} as const;

let crypto: Crypto | undefined;

/** Loaded when first asked for: it takes a while, and many ask for no hash at all. */
function nodeCrypto(): Crypto {
  crypto ??= process.getBuiltinModule("node:crypto");
  return crypto;
}

/** sha256 of the UTF-8 of `text`. */
export function sha256OfText(text: string): Uint8Array {
  return plainBytes(nodeCrypto().hash("sha256", text, "buffer"));
}

/** The same in base 16: neither the bytes of the text nor those of the hash come to JavaScript. */
export function sha256HexOfText(text: string): string {
  return nodeCrypto().hash("sha256", text, "hex");
}

function nodeDigest(algorithm: string): Digest {
  return (bytes) => plainBytes(nodeCrypto().hash(algorithm, bytes, "buffer"));
}

function plainBytes({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

let loaded: Digest | undefined;

/** Loaded when first asked for: hardly anybody does, and everybody would wait for it. */
function blake3(bytes: Uint8Array): Uint8Array {
  loaded ??= (
    createRequire(import.meta.url)("@noble/hashes/blake3.js") as typeof import("@noble/hashes/blake3.js")
  ).blake3;
  return loaded(bytes);
}
