import { replaceAll } from "./bytes/replace.js";
import type { BasicDerivation, Derivation, DynamicInput } from "./derivation/derivation.js";
import { Environment } from "./derivation/environment.js";
import { derivationType } from "./derivation/type.js";
import { DrvError } from "./error.js";
import { fillOutputPaths } from "./fill-outputs.js";
import { computedPlaceholder, upstreamPlaceholder } from "./placeholder.js";
import type { OutputName } from "./store-path/name.js";
import { defaultStoreDir, type StoreDir } from "./store-path/store-dir.js";
import type { StorePath } from "./store-path/store-path.js";

/**
 * The path of an output, `undefined` while it is not known. The derivation is named by its path, or for one that is an
 * output itself by the path that output has.
 */
export type OutputPathLookup = (drvPath: StorePath, output: OutputName) => StorePath | undefined;

/** How a derivation is resolved. */
export interface ResolveOptions {
  readonly storeDir?: StoreDir;
}

/** What came of resolving: a derivation without input derivations, or the first output whose path is not known. */
export type Resolution =
  | { readonly type: "resolved"; readonly derivation: BasicDerivation }
  | { readonly type: "missing"; readonly drvPath: StorePath; readonly output: OutputName };

/**
 * The derivation with the outputs of its input derivations as plain sources, and their placeholders replaced by their
 * paths. Output paths that waited for that are computed.
 *
 * @throws {@link DrvError} `ERR_DRV_TYPE`, `ERR_STORE_PATH`.
 * @see Nix: src/libstore/derivations.cc, `Derivation::tryResolve`
 */
export function tryResolve(
  drv: Derivation,
  lookup: OutputPathLookup,
  { storeDir = defaultStoreDir }: ResolveOptions = {},
): Resolution {
  const inputs = new ResolvedInputs(lookup);
  for (const [drvPath, outputs] of drv.inputDrvs) {
    const node = { outputs, dynamicOutputs: drv.dynamicInputs?.get(drvPath) ?? new Map() };
    const missing = inputs.add(drvPath, node, (output) => upstreamPlaceholder(drvPath, output));
    if (missing !== undefined) return { type: "missing", ...missing };
  }
  const rewrite = (bytes: Uint8Array) => replaceAll(bytes, inputs.rewrites);
  const { dynamicInputs: _dynamicInputs, ...rest } = drv;
  const resolved: BasicDerivation = {
    ...rest,
    inputDrvs: new Map<StorePath, never>(),
    inputSrcs: new Set([...drv.inputSrcs, ...inputs.paths]),
    builder: rewrite(drv.builder),
    args: drv.args.map(rewrite),
    env: Environment.from([...drv.env.entries()].map(([name, value]) => [rewrite(name), rewrite(value)])),
  };
  const type = derivationType(drv);
  const isDeferred = type.kind === "inputAddressed" && type.deferred;
  return {
    type: "resolved",
    derivation: isDeferred ? fillOutputPaths(resolved, noInputs, { storeDir }) : resolved,
  };
}

/**
 * As {@link tryResolve}, where every path has to be known.
 *
 * @throws {@link DrvError} `ERR_DRV_INPUT` for one that is not.
 */
export function resolveDerivation(
  drv: Derivation,
  lookup: OutputPathLookup,
  options?: ResolveOptions,
): BasicDerivation {
  const resolution = tryResolve(drv, lookup, options);
  if (resolution.type === "resolved") return resolution.derivation;
  const { drvPath, output } = resolution;
  throw new DrvError(
    "ERR_DRV_INPUT",
    `output '${output}' of input '${drvPath}' missing, aborting the resolving`,
  );
}

/** Whether a derivation has to be resolved before it can be built. @see Nix: src/libstore/derivations.cc, `shouldResolve` */
export function needsResolution(drv: Derivation, contentAddressed = true): boolean {
  if (drv.inputDrvs.size === 0) return false;
  const type = derivationType(drv);
  switch (type.kind) {
    case "inputAddressed":
      return type.deferred || drv.dynamicInputs !== undefined;
    case "fixed":
      return contentAddressed || drv.dynamicInputs !== undefined;
    case "floating":
    case "impure":
      return true;
  }
}

class ResolvedInputs {
  readonly paths = new Set<StorePath>();
  /** Placeholder to path. */
  readonly rewrites = new Map<string, string>();

  constructor(private readonly lookup: OutputPathLookup) {}

  /** Adds what is wanted of a derivation; tells the first output that has no path. */
  add(
    drvPath: StorePath,
    { outputs, dynamicOutputs }: DynamicInput,
    placeholderOf: (output: OutputName) => string,
  ): { readonly drvPath: StorePath; readonly output: OutputName } | undefined {
    for (const output of outputs) {
      const path = this.lookup(drvPath, output);
      if (path === undefined) return { drvPath, output };
      this.paths.add(path);
      this.rewrites.set(placeholderOf(output), path);
    }
    for (const [output, node] of dynamicOutputs) {
      const inner = this.lookup(drvPath, output);
      if (inner === undefined) return { drvPath, output };
      const missing = this.add(inner, node, (name) => computedPlaceholder(placeholderOf(output), name));
      if (missing !== undefined) return missing;
    }
    return undefined;
  }
}

/** A derivation that is resolved has none. */
function noInputs(): never {
  throw new Error("bug: a resolved derivation has no inputs");
}
