import {
  baseNameOf,
  compareText,
  type Hash,
  type JsonValue,
  type OutputName,
  printHash,
  printJson,
  type StorePath,
} from "@drvkit/drv-parser";
import { NarInfoError } from "./error.js";
import type { PublicKey, SecretKey } from "./keys.js";
import { verifyTextBy, withSignature } from "./signatures.js";

/**
 * An output of a derivation, whatever path it has: by the hash modulo of the derivation, as Nix up to 2.32 does, or by
 * the path of the resolved derivation, as newer ones do.
 *
 * @see Nix: src/libstore/realisation.hh, `DrvOutput`
 */
export type DrvOutput =
  | { readonly type: "hash"; readonly hash: Hash; readonly outputName: OutputName }
  | { readonly type: "path"; readonly drvPath: StorePath; readonly outputName: OutputName };

/** The fact that an output has this path. */
export interface Realisation {
  readonly id: DrvOutput;
  readonly outPath: StorePath;
  /** `<key name>:<base64>` each. */
  readonly signatures: readonly string[];
  /** Realisations of inputs that the output refers to, by the text of their ids. Empty with ids by path. */
  readonly dependentRealisations: ReadonlyMap<string, StorePath>;
}

/** The text of an id: `sha256:HEX!OUTPUT`, or `DRVPATH^OUTPUT`. */
export function printDrvOutput(id: DrvOutput): string {
  return id.type === "hash"
    ? `${printHash(id.hash, "prefixedBase16")}!${id.outputName}`
    : `${id.drvPath}^${id.outputName}`;
}

/** Where a binary cache keeps this realisation, below its root. */
export function realisationFileName(id: DrvOutput): string {
  return id.type === "hash"
    ? `realisations/${printDrvOutput(id)}.doi`
    : `build-trace-v2/${baseNameOf(id.drvPath)}/${id.outputName}.doi`;
}

/**
 * The text of a realisation's file: compact JSON, its members in byte order.
 *
 * @see Nix: src/libstore/realisation.cc, `Realisation::toJSON`
 */
export function printRealisation(realisation: Realisation): string {
  const signatures = [...new Set(realisation.signatures)].sort(compareText);
  if (realisation.id.type === "hash")
    return printJson(object({ ...oldMembers(realisation), signatures: array(signatures.map(string)) }));
  return printJson(
    object({
      outPath: string(baseNameOf(realisation.outPath)),
      signatures: array(signatures.map(signatureObject)),
    }),
  );
}

/**
 * What of a realisation is signed.
 *
 * @see Nix: src/libstore/realisation.cc, `Realisation::fingerprint`
 */
export function realisationFingerprint(realisation: Realisation): string {
  const { id, outPath } = realisation;
  if (id.type === "hash") return printJson(object(oldMembers(realisation)));
  const key = object({ drvPath: string(baseNameOf(id.drvPath)), outputName: string(id.outputName) });
  return printJson(object({ key, value: object({ outPath: string(baseNameOf(outPath)) }) }));
}

/** The same with a signature by this key. @throws {@link NarInfoError} `ERR_KEY`. */
export async function signRealisation(realisation: Realisation, key: SecretKey): Promise<Realisation> {
  return withSignature(realisation, realisationFingerprint(realisation), key);
}

/** Names of the keys of which `realisation` carries a good signature. */
export async function verifyRealisation(
  realisation: Realisation,
  keys: readonly PublicKey[],
): Promise<ReadonlySet<string>> {
  return verifyTextBy(realisationFingerprint(realisation), realisation.signatures, keys);
}

/**
 * One realisation of what two say of the same output, with the signatures of both.
 *
 * @throws {@link NarInfoError} `ERR_REALISATION_CONFLICT` when their paths differ, or what they depend on.
 * @see Nix: src/libstore/realisation.cc, `Realisation::isCompatibleWith`
 */
export function mergeRealisations(known: Realisation, other: Realisation): Realisation {
  const [left, right] = [known.dependentRealisations, other.dependentRealisations];
  const isCompatible =
    known.outPath === other.outPath && (left.size === 0 || right.size === 0 || hasEqualEntries(left, right));
  if (!isCompatible)
    throw new NarInfoError(
      "ERR_REALISATION_CONFLICT",
      `Trying to register a realisation of '${printDrvOutput(known.id)}', but we already have another one locally.\nLocal:  ${known.outPath}\nRemote: ${other.outPath}`,
      { hint: "the derivation does not give the same result everywhere" },
    );
  return {
    ...known,
    signatures: [...new Set([...known.signatures, ...other.signatures])],
    dependentRealisations: left.size === 0 ? right : left,
  };
}

function hasEqualEntries(a: ReadonlyMap<string, StorePath>, b: ReadonlyMap<string, StorePath>): boolean {
  return a.size === b.size && [...a].every(([id, path]) => b.get(id) === path);
}

function oldMembers({ id, outPath, dependentRealisations }: Realisation): Record<string, JsonValue> {
  return {
    dependentRealisations: {
      type: "object",
      members: new Map([...dependentRealisations].map(([key, path]) => [key, string(baseNameOf(path))])),
    },
    id: string(printDrvOutput(id)),
    outPath: string(baseNameOf(outPath)),
  };
}

function signatureObject(signature: string): JsonValue {
  const colon = signature.indexOf(":");
  return object({ keyName: string(signature.slice(0, colon)), sig: string(signature.slice(colon + 1)) });
}

function object(members: Readonly<Record<string, JsonValue>>): JsonValue {
  return { type: "object", members: new Map(Object.entries(members)) };
}

function array(items: readonly JsonValue[]): JsonValue {
  return { type: "array", items };
}

function string(value: string): JsonValue {
  return { type: "string", value };
}
