import { sha256HexOfText, sha256OfText } from "#digests";
import { printAlgorithmField } from "../aterm/algorithm-field.js";
import { encodeNixBase32 } from "../bytes/nix-base32.js";
import { compareText } from "../bytes/text.js";
import { DrvError } from "../error.js";
import { compressHash, type Hash, hashBytes } from "../hash/hash.js";
import { encodeBase16 } from "../hash/print.js";
import type { ContentAddress } from "./content-address.js";
import { makeName, type OutputName, outputPathName, type StorePathName } from "./name.js";
import type { StoreDir } from "./store-dir.js";
import { baseNameOf, derivationNameOf, namePartOf, type StorePath } from "./store-path.js";

/** What an object of content refers to: other paths, and whether itself. */
export interface ContentReferences {
  readonly references?: Iterable<StorePath>;
  readonly self?: boolean;
}

const none: readonly StorePath[] = [];

function printReferences(references: Iterable<StorePath>): string {
  return [...new Set(references)]
    .sort(compareText)
    .map((path) => `:${path}`)
    .join("");
}

/** @see Nix: src/libstore/store-api.cc, `makeStorePath` */
function computePath(storeDir: StoreDir, type: string, innerHex: string, name: StorePathName): StorePath {
  const fingerprint = `${type}:sha256:${innerHex}:${storeDir}:${name}`;
  const digest = compressHash(sha256OfText(fingerprint), 20);
  return `${storeDir}/${encodeNixBase32(digest)}-${name}` as StorePath;
}

/**
 * Path of an input-addressed output, from the masked hash modulo of its derivation.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH` when the derivation has a name that no path may have.
 */
export function computeOutputPath(
  storeDir: StoreDir,
  hashModulo: Hash,
  drvName: string,
  output: OutputName,
): StorePath {
  const name = outputPathName(drvName, output);
  return computePath(storeDir, `output:${output}`, encodeBase16(hashModulo.digest), name);
}

/**
 * Where the builder of `drvPath` writes an output whose path is not known before.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH` when the output has a name that no path may have.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `makeFallbackPath`
 */
export function computeScratchPath(storeDir: StoreDir, drvPath: StorePath, output: OutputName): StorePath {
  const name = outputPathName(derivationNameOf(drvPath), output);
  return computePath(storeDir, `rewrite:${baseNameOf(drvPath)}:name:${output}`, "0".repeat(64), name);
}

/**
 * Where the builder of `drvPath` writes an output whose path is taken.
 *
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `makeFallbackPath`
 */
export function computeRedirectedPath(storeDir: StoreDir, drvPath: StorePath, known: StorePath): StorePath {
  const type = `rewrite:${baseNameOf(drvPath)}:${baseNameOf(known)}`;
  return computePath(storeDir, type, "0".repeat(64), namePartOf(known));
}

/**
 * Path of a text object, `.drv` files among them.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH` for a name that no path may have.
 */
export function computeTextPath(
  storeDir: StoreDir,
  name: string,
  bytes: Uint8Array,
  references: Iterable<StorePath>,
): StorePath {
  const ca = { method: "text", hash: hashBytes("sha256", bytes) } as const;
  return computeContentAddressedPath(storeDir, name, ca, { references });
}

/**
 * Path of an object whose content is known.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH` for references where the method allows none, or a name that no path may have;
 *   `ERR_CONTENT_ADDRESS` for text with another algorithm than sha256.
 * @see Nix: src/libstore/store-api.cc, `makeFixedOutputPath` and `makeTextPath`
 */
export function computeContentAddressedPath(
  storeDir: StoreDir,
  name: string,
  { method, hash }: ContentAddress,
  { references = none, self = false }: ContentReferences = {},
): StorePath {
  const checked = makeName(name);
  const sorted = references === none ? "" : printReferences(references);
  if (method === "text") {
    if (self) throw new DrvError("ERR_STORE_PATH", `text object '${name}' cannot refer to itself`);
    if (hash.algorithm !== "sha256")
      throw new DrvError(
        "ERR_CONTENT_ADDRESS",
        `text object '${name}' must use sha256, not '${hash.algorithm}'`,
      );
    return computePath(storeDir, `text${sorted}`, encodeBase16(hash.digest), checked);
  }
  if (method === "nar" && hash.algorithm === "sha256")
    return computePath(storeDir, `source${sorted}${self ? ":self" : ""}`, encodeBase16(hash.digest), checked);
  if (sorted !== "" || self)
    throw new DrvError(
      "ERR_STORE_PATH",
      `fixed output derivation '${name}' is not allowed to refer to other store paths`,
    );
  const inner = `fixed:out:${printAlgorithmField(method, hash.algorithm)}:${encodeBase16(hash.digest)}:`;
  return computePath(storeDir, "output:out", sha256HexOfText(inner), checked);
}
