import { blake3 } from "@noble/hashes/blake3.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";

/** Hash functions that run everywhere; under Node those of `digests-node.ts` take their place. */
export const digests = { md5, sha1, sha256, sha512, blake3 } as const;
