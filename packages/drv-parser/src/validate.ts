import { textOf } from "./bytes/text.js";
import type { Derivation } from "./derivation/derivation.js";
import { DrvError } from "./error.js";
import type { HashModuloCache, ReadDerivation } from "./modulo.js";
import { computeOutputPaths } from "./output-paths.js";
import { derivationNameOf, type StorePath, storeDirOf } from "./store-path/store-path.js";

/**
 * What must hold of a derivation before its file becomes valid: its kind, its output paths, and the variables that
 * hold them.
 *
 * @throws {@link DrvError} `ERR_DRV_OUTPUT_PATH`, `ERR_DRV_ENVIRONMENT`, `ERR_DRV_TYPE`, `ERR_DRV_INPUT`, `ERR_STORE_PATH`.
 * @see Nix: src/libstore/local-store.cc, `checkDerivationOutputs`
 */
export function validateDerivation(
  drvPath: StorePath,
  drv: Derivation,
  read: ReadDerivation,
  cache?: HashModuloCache,
): void {
  if (derivationNameOf(drvPath) !== drv.name)
    throw new DrvError("ERR_STORE_PATH", `derivation '${drvPath}' is not called '${drv.name}'`);
  const options = { storeDir: storeDirOf(drvPath), ...(cache === undefined ? {} : { cache }) };
  for (const [name, path] of computeOutputPaths(drv, read, options)) {
    const output = drv.outputs.get(name);
    if (output === undefined || !("path" in output)) continue;
    if (path === undefined || output.path !== path)
      throw new DrvError(
        "ERR_DRV_OUTPUT_PATH",
        `derivation '${drvPath}' has incorrect output '${output.path}', should be '${path ?? "unknown"}'`,
        {
          hint: "the derivation was changed after its paths were computed",
        },
      );
    const value = drv.env.get(name);
    if (value === undefined || textOrUndefined(value) !== path)
      throw new DrvError(
        "ERR_DRV_ENVIRONMENT",
        `derivation '${drvPath}' has incorrect environment variable '${name}', should be '${path}'`,
      );
  }
}

function textOrUndefined(bytes: Uint8Array): string | undefined {
  try {
    return textOf(bytes);
  } catch {
    return undefined;
  }
}
