import { blake3 } from "@noble/hashes/blake3.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { bytesOf } from "../bytes/text.js";

/** Hash functions that run everywhere; under Node those of `digests-node.ts` take their place. */
export const digests = { md5, sha1, sha256, sha512, blake3 } as const;

/** sha256 of the UTF-8 of `text`. */
export function sha256OfText(text: string): Uint8Array {
  return sha256(bytesOf(text));
}

/** The same in base 16. */
export function sha256HexOfText(text: string): string {
  return bytesToHex(sha256OfText(text));
}
