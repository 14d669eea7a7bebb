import {
  bytesOf,
  type ContentAddress,
  computeContentAddressedPath,
  computeOutputPaths,
  type Derivation,
  type DerivationOutput,
  Environment,
  HashModuloCache,
  makeOutputName,
  type OutputName,
  outputPathName,
  type StorePath,
} from "@drvkit/drv-parser";
import type { MemoryStore } from "./memory-store.js";

/** A derivation in a few words. */
export interface Recipe {
  readonly name: string;
  /** `out` unless said otherwise. */
  readonly outputs?: readonly string[];
  /** Derivations with all their outputs, or with those named. */
  readonly inputs?: readonly (StorePath | readonly [drvPath: StorePath, ...outputs: string[]])[];
  readonly sources?: readonly StorePath[];
  readonly env?: Readonly<Record<string, string>>;
  readonly builder?: string;
  readonly args?: readonly string[];
  readonly system?: string;
  /** Makes the derivation a fixed one. */
  readonly fixed?: ContentAddress;
  /** Outputs whose paths only a build can tell. */
  readonly kind?: "floating" | "impure" | "deferred";
}

const caches = new WeakMap<MemoryStore, HashModuloCache>();

/** Adds the derivation of a recipe to a store, with the output paths Nix would compute. Returns its path. */
export function addRecipe(store: MemoryStore, recipe: Recipe): StorePath {
  const names = (recipe.outputs ?? ["out"]).map((name) => makeOutputName(name));
  const system = recipe.system ?? "x86_64-linux";
  const builder = recipe.builder ?? "/bin/sh";
  const env = {
    name: recipe.name,
    builder,
    system,
    ...recipe.env,
    ...Object.fromEntries(names.map((name) => [name, ""])),
  };
  const drv: Derivation = {
    name: recipe.name,
    outputs: new Map(names.map((name) => [name, { kind: "deferred" }])),
    inputDrvs: new Map((recipe.inputs ?? []).map((input) => inputOf(store, input))),
    inputSrcs: new Set(recipe.sources ?? []),
    platform: system,
    builder: bytesOf(builder),
    args: (recipe.args ?? []).map((arg) => bytesOf(arg)),
    env: Environment.from(Object.entries(env).map(([name, value]) => [bytesOf(name), bytesOf(value)])),
  };
  return store.addDerivationSync(withOutputs(drv, outputsOf(store, drv, recipe)));
}

/** The output paths of a derivation in the store, by name. */
export function outputsByName(store: MemoryStore, drvPath: StorePath): Readonly<Record<string, StorePath>> {
  const outputs = [...store.readDerivationSync(drvPath).outputs];
  return Object.fromEntries(
    outputs.flatMap(([name, output]) => ("path" in output ? [[name, output.path]] : [])),
  );
}

function inputOf(
  store: MemoryStore,
  input: NonNullable<Recipe["inputs"]>[number],
): readonly [StorePath, ReadonlySet<OutputName>] {
  if (typeof input === "string") return [input, new Set(store.readDerivationSync(input).outputs.keys())];
  const [drvPath, ...names] = input;
  return [drvPath, new Set(names.map((name) => makeOutputName(name)))];
}

function outputsOf(
  store: MemoryStore,
  drv: Derivation,
  { fixed, kind }: Recipe,
): ReadonlyMap<OutputName, DerivationOutput> {
  const names = [...drv.outputs.keys()];
  if (kind === "deferred") return drv.outputs;
  if (kind !== undefined)
    return new Map(names.map((name) => [name, { kind, method: "nar", algorithm: "sha256" }]));
  if (fixed !== undefined)
    return new Map(
      names.map((name) => {
        const path = computeContentAddressedPath(store.storeDir, outputPathName(drv.name, name), fixed);
        return [name, { kind: "fixed", ca: fixed, path }];
      }),
    );
  const cache = caches.get(store) ?? new HashModuloCache();
  caches.set(store, cache);
  const read = (path: StorePath) => store.readDerivationSync(path);
  const paths = computeOutputPaths(drv, read, { storeDir: store.storeDir, cache });
  return new Map(
    [...paths].map(([name, path]) => [name, { kind: "inputAddressed", path: path as StorePath }]),
  );
}

function withOutputs(drv: Derivation, outputs: ReadonlyMap<OutputName, DerivationOutput>): Derivation {
  let { env } = drv;
  for (const [name, output] of outputs) if ("path" in output) env = env.with(name, bytesOf(output.path));
  return { ...drv, outputs, env };
}
