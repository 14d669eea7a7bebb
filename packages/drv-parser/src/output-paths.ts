import { printDerivation } from "./aterm/print.js";
import type { Derivation } from "./derivation/derivation.js";
import { derivationType } from "./derivation/type.js";
import type { Hash } from "./hash/hash.js";
import { computeHashModulo, type HashModuloCache, type ReadDerivation } from "./modulo.js";
import { computeContentAddressedPath, computeOutputPath, computeTextPath } from "./store-path/fingerprint.js";
import { type OutputName, outputPathName } from "./store-path/name.js";
import { defaultStoreDir, type StoreDir } from "./store-path/store-dir.js";
import type { StorePath } from "./store-path/store-path.js";

/** How output paths are computed. */
export interface OutputPathOptions {
  readonly storeDir?: StoreDir;
  readonly cache?: HashModuloCache;
}

/**
 * The paths that a derivation's outputs have to have; `undefined` for those that only a build can tell. What the
 * derivation states of input-addressed paths does not matter, so that they can be filled in afterwards.
 *
 * @throws as `computeHashModulo`.
 */
export function computeOutputPaths(
  drv: Derivation,
  read: ReadDerivation,
  { storeDir = defaultStoreDir, cache }: OutputPathOptions = {},
): ReadonlyMap<OutputName, StorePath | undefined> {
  if (derivationType(drv).kind === "inputAddressed") {
    const { hashes, deferred } = computeHashModulo(drv, true, read, cache);
    return new Map(
      [...hashes].map(([name, hash]) => [
        name,
        deferred ? undefined : computeOutputPath(storeDir, hash as Hash, drv.name, name),
      ]),
    );
  }
  return new Map(
    [...drv.outputs].map(([name, output]) => [
      name,
      output.kind === "fixed"
        ? computeContentAddressedPath(storeDir, outputPathName(drv.name, name), output.ca)
        : undefined,
    ]),
  );
}

/** Path of the derivation's own file: a text object that refers to its inputs. */
export function computeDerivationPath(storeDir: StoreDir, drv: Derivation): StorePath {
  return computeTextPath(storeDir, `${drv.name}.drv`, printDerivation(drv), [
    ...drv.inputDrvs.keys(),
    ...drv.inputSrcs,
  ]);
}
