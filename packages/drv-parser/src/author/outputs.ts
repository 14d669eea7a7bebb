import type { Derivation } from "../derivation/derivation.js";
import { DrvError } from "../error.js";
import { fillOutputPaths, replaceOutputs } from "../fill-outputs.js";
import { type Hash, hashSizes, parseHashAlgorithm } from "../hash/hash.js";
import { parseHash } from "../hash/parse.js";
import { printHash } from "../hash/print.js";
import type { HashModuloCache } from "../modulo.js";
import { outputPlaceholder } from "../placeholder.js";
import type { ContentAddress, ContentAddressMethod } from "../store-path/content-address.js";
import { computeContentAddressedPath } from "../store-path/fingerprint.js";
import type { OutputName } from "../store-path/name.js";
import type { StoreDir } from "../store-path/store-dir.js";
import type { StorePath } from "../store-path/store-path.js";
import type { DerivationAttributes } from "./attributes.js";

/** What the outputs of an authored derivation are. */
export type OutputKind =
  | { readonly kind: "inputAddressed" }
  | { readonly kind: "fixed"; readonly ca: ContentAddress }
  | {
      readonly kind: "floating" | "impure";
      readonly method: ContentAddressMethod;
      readonly algorithm: Hash["algorithm"];
    };

/**
 * What the attributes make of the outputs. A hash that is empty counts as zeros, of which `warn` is told.
 *
 * @throws {@link DrvError} `ERR_DRV_ATTRIBUTE`, `ERR_HASH`.
 */
export function outputKindOf(
  attributes: DerivationAttributes,
  outputNames: readonly OutputName[],
  warn: (message: string) => void,
): OutputKind {
  const { name, outputHash, outputHashAlgo } = attributes;
  const floating = flagOf(attributes, "__contentAddressed");
  const impure = flagOf(attributes, "__impure");
  const algorithm =
    outputHashAlgo === undefined || outputHashAlgo === "" ? undefined : parseHashAlgorithm(outputHashAlgo);
  if (outputHash !== undefined) {
    if (outputNames.length !== 1 || outputNames[0] !== "out")
      throw new DrvError(
        "ERR_DRV_ATTRIBUTE",
        "multiple outputs are not supported in fixed-output derivations",
      );
    const method = methodOf(attributes) ?? "flat";
    return { kind: "fixed", ca: { method, hash: hashOf(outputHash, algorithm, warn) } };
  }
  if (floating && impure)
    throw new DrvError(
      "ERR_DRV_ATTRIBUTE",
      `derivation '${name}' cannot be both content-addressed and impure`,
    );
  if (!floating && !impure) return { kind: "inputAddressed" };
  return {
    kind: floating ? "floating" : "impure",
    method: methodOf(attributes) ?? "nar",
    algorithm: algorithm ?? "sha256",
  };
}

/** The derivation with outputs of this kind, and the variables that hold their paths or placeholders. */
export function withOutputs(
  drv: Derivation,
  kind: OutputKind,
  { storeDir, cache }: { readonly storeDir: StoreDir; readonly cache: HashModuloCache },
): Derivation {
  switch (kind.kind) {
    case "inputAddressed":
      return fillOutputPaths(drv, unreachable, { storeDir, cache });
    case "fixed": {
      const path = computeContentAddressedPath(storeDir, drv.name, kind.ca);
      return replaceOutputs(drv, () => ({ output: { kind: "fixed", ca: kind.ca, path }, value: path }));
    }
    case "floating":
    case "impure":
      return replaceOutputs(drv, (name) => ({ output: kind, value: outputPlaceholder(name) }));
  }
}

/** Every input's hash is in the cache. */
export function unreachable(drvPath: StorePath): never {
  throw new Error(`bug: '${drvPath}' has no hash`);
}

function flagOf(attributes: DerivationAttributes, name: "__contentAddressed" | "__impure"): boolean {
  const value: unknown = attributes[name];
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new DrvError(
    "ERR_DRV_ATTRIBUTE",
    `attribute '${name}' of derivation '${attributes.name}' is no boolean`,
  );
}

const methods: ReadonlyMap<string, ContentAddressMethod> = new Map([
  ["flat", "flat"],
  ["recursive", "nar"],
  ["nar", "nar"],
  ["text", "text"],
  ["git", "git"],
]);

function methodOf({ name, outputHashMode }: DerivationAttributes): ContentAddressMethod | undefined {
  if (outputHashMode === undefined) return undefined;
  const method = methods.get(outputHashMode);
  if (method !== undefined) return method;
  throw new DrvError(
    "ERR_DRV_ATTRIBUTE",
    `invalid value '${String(outputHashMode)}' for 'outputHashMode' attribute of '${name}'`,
    { hint: "'flat', 'recursive', 'nar', 'text' or 'git'" },
  );
}

function hashOf(
  text: string,
  algorithm: Hash["algorithm"] | undefined,
  warn: (message: string) => void,
): Hash {
  if (text !== "") return parseHash(text, algorithm);
  if (algorithm === undefined)
    throw new DrvError("ERR_HASH", "empty hash requires explicit hash type", { hint: "set outputHashAlgo" });
  const hash = { algorithm, digest: new Uint8Array(hashSizes[algorithm]) };
  warn(`found empty hash, assuming '${printHash(hash, "sri")}'`);
  return hash;
}
