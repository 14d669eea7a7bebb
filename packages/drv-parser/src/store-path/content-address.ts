import { DrvError } from "../error.js";
import type { Hash } from "../hash/hash.js";
import { parseHash } from "../hash/parse.js";
import { printHash } from "../hash/print.js";

/** How a path came from content: text, the bytes of a file, the archive of a tree, or the tree as git hashes it. */
export type ContentAddressMethod = "text" | "flat" | "nar" | "git";

/** What an object is made of, from which its path follows. */
export interface ContentAddress {
  readonly method: ContentAddressMethod;
  readonly hash: Hash;
}

/**
 * The text of a content address, with its hash in nix32.
 *
 * @see Nix: src/libstore/content-address.cc, `renderContentAddress`
 */
export function printContentAddress({ method, hash }: ContentAddress): string {
  const prefix = { text: "text:", flat: "fixed:", nar: "fixed:r:", git: "fixed:git:" }[method];
  return prefix + printHash(hash, "prefixedNix32");
}

/**
 * The content address that a text means. Its hash may be in base 16, nix32 or base 64, not in SRI.
 *
 * @throws {@link DrvError} `ERR_CONTENT_ADDRESS`, `ERR_HASH`.
 */
export function parseContentAddress(text: string): ContentAddress {
  const colon = text.indexOf(":");
  const prefix = colon < 0 ? text : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (colon < 0) throw new DrvError("ERR_CONTENT_ADDRESS", `'${text}' is not a content address`);
  if (prefix === "text") {
    const hash = parsePrefixed(rest, text);
    if (hash.algorithm !== "sha256")
      throw new DrvError("ERR_CONTENT_ADDRESS", `text content address '${text}' must use sha256`);
    return { method: "text", hash };
  }
  if (prefix !== "fixed")
    throw new DrvError("ERR_CONTENT_ADDRESS", `content address prefix '${prefix}' is unrecognized`, {
      hint: "it begins with 'text:' or 'fixed:'",
    });
  if (rest.startsWith("r:")) return { method: "nar", hash: parsePrefixed(rest.slice(2), text) };
  if (!rest.startsWith("git:")) return { method: "flat", hash: parsePrefixed(rest, text) };
  const hash = parsePrefixed(rest.slice(4), text);
  if (hash.algorithm !== "sha1" && hash.algorithm !== "sha256")
    throw new DrvError("ERR_CONTENT_ADDRESS", `git content address '${text}' must use sha1 or sha256`);
  return { method: "git", hash };
}

function parsePrefixed(rest: string, text: string): Hash {
  if (!rest.includes(":"))
    throw new DrvError("ERR_CONTENT_ADDRESS", `content address '${text}' has no hash with its algorithm`);
  return parseHash(rest);
}
