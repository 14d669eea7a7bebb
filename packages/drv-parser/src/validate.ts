import { textOrUndefined } from "./bytes/text.js";
import type { Derivation } from "./derivation/derivation.js";
import { derivationOptions } from "./derivation/options.js";
import { derivationType } from "./derivation/type.js";
import { DrvError, type DrvErrorCode } from "./error.js";
import type { HashModuloCache, ReadDerivation } from "./modulo.js";
import { computeOutputPaths } from "./output-paths.js";
import type { OutputName } from "./store-path/name.js";
import { derivationNameOf, type StorePath, storeDirOf } from "./store-path/store-path.js";

/** Something that does not hold of a derivation; with an `error` its file must not become valid. */
export interface DerivationFinding {
  readonly severity: "error" | "warning";
  readonly code: DrvErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** The output that it is about. */
  readonly output?: OutputName;
}

/**
 * What must hold of a derivation before its file becomes valid: its kind, its output paths, and the variables that
 * hold them.
 *
 * @throws {@link DrvError} for the first finding of {@link checkDerivation} that is an error: `ERR_DRV_OUTPUT_PATH`,
 *   `ERR_DRV_ENVIRONMENT`, `ERR_DRV_TYPE`, `ERR_DRV_INPUT`, `ERR_STORE_PATH`.
 * @see Nix: src/libstore/local-store.cc, `checkDerivationOutputs`
 */
export function validateDerivation(
  drvPath: StorePath,
  drv: Derivation,
  read: ReadDerivation,
  cache?: HashModuloCache,
): void {
  for (const { severity, code, message, hint } of findings(drvPath, drv, read, cache))
    if (severity === "error") throw new DrvError(code, message, { hint });
}

/** All that does not hold of a derivation, at once. @throws what `read` throws. */
export function checkDerivation(
  drvPath: StorePath,
  drv: Derivation,
  read: ReadDerivation,
  cache?: HashModuloCache,
): readonly DerivationFinding[] {
  return [...findings(drvPath, drv, read, cache)];
}

function* findings(
  drvPath: StorePath,
  drv: Derivation,
  read: ReadDerivation,
  cache?: HashModuloCache,
): Generator<DerivationFinding, void, undefined> {
  const error = (code: DrvErrorCode, message: string, more: Partial<DerivationFinding> = {}) =>
    ({ severity: "error", code, message, ...more }) as const;
  if (derivationNameOf(drvPath) !== drv.name)
    yield error("ERR_STORE_PATH", `derivation '${drvPath}' is not called '${drv.name}'`);
  const computed = outputPaths(drvPath, drv, read, cache);
  if (computed instanceof DrvError) {
    yield error(computed.code, computed.message, computed.hint === undefined ? {} : { hint: computed.hint });
    return;
  }
  if (derivationType(drv).kind === "inputAddressed" && asksForBuilderRpc(drvPath, drv))
    yield error(
      "ERR_DRV_TYPE",
      `derivation '${drvPath}' requires the system feature 'builder-rpc-v0' but is input-addressed`,
    );
  for (const [output, path] of computed) {
    const stated = drv.outputs.get(output);
    if (stated?.kind === "deferred" && path !== undefined)
      yield {
        severity: "warning",
        code: "ERR_DRV_OUTPUT_PATH",
        message: `derivation '${drvPath}' has deferred output '${output}', should be '${path}'`,
        output,
      };
    if (stated === undefined || !("path" in stated)) continue;
    if (stated.path !== path)
      yield error(
        "ERR_DRV_OUTPUT_PATH",
        `derivation '${drvPath}' has incorrect output '${stated.path}', should be '${path ?? "unknown"}'`,
        { hint: "the derivation was changed after its paths were computed", output },
      );
    else if (!holds(drv, output, path))
      yield error(
        "ERR_DRV_ENVIRONMENT",
        `derivation '${drvPath}' has incorrect environment variable '${output}', should be '${path}'`,
        { output },
      );
  }
}

function outputPaths(
  drvPath: StorePath,
  drv: Derivation,
  read: ReadDerivation,
  cache?: HashModuloCache,
): ReadonlyMap<OutputName, StorePath | undefined> | DrvError {
  try {
    const storeDir = storeDirOf(drvPath);
    return computeOutputPaths(drv, read, cache === undefined ? { storeDir } : { storeDir, cache });
  } catch (error) {
    if (error instanceof DrvError) return error;
    throw error;
  }
}

/** Its outputs are made by asking for them while it builds: newer Nix allows that with content addresses only. */
function asksForBuilderRpc(drvPath: StorePath, drv: Derivation): boolean {
  if (!drv.env.has("requiredSystemFeatures") && !drv.env.has("__json")) return false;
  try {
    return derivationOptions(drvPath, drv).requiredSystemFeatures.has("builder-rpc-v0");
  } catch (error) {
    // Attributes of a wrong type stop the build, not the registration.
    if (error instanceof DrvError) return false;
    throw error;
  }
}

function holds(drv: Derivation, name: string, path: StorePath): boolean {
  const value = drv.env.get(name);
  return value !== undefined && textOrUndefined(value) === path;
}
