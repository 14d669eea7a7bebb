import { type HashAlgorithm, parseHashAlgorithm } from "../hash/hash.js";
import type { ContentAddressMethod } from "../store-path/content-address.js";

const prefixes: Readonly<Record<ContentAddressMethod, string>> = {
  flat: "",
  nar: "r:",
  text: "text:",
  git: "git:",
};

/** The algorithm field of a `.drv` file: `r:` for archives, `text:` for text, `git:` for trees of git. */
export function printAlgorithmField(method: ContentAddressMethod, algorithm: HashAlgorithm): string {
  return prefixes[method] + algorithm;
}

/**
 * Method and algorithm behind {@link printAlgorithmField}.
 *
 * @throws {@link DrvError} `ERR_HASH` for an algorithm that is none.
 */
export function parseAlgorithmField(field: string): {
  readonly method: ContentAddressMethod;
  readonly algorithm: HashAlgorithm;
} {
  const method = (["nar", "text", "git"] as const).find((each) => field.startsWith(prefixes[each])) ?? "flat";
  return { method, algorithm: parseHashAlgorithm(field.slice(prefixes[method].length)) };
}
