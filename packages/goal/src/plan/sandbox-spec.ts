import {
  bytesOf,
  type Derivation,
  type DerivationOptions,
  derivationType,
  isSandboxed,
  type OutputName,
  type StorePath,
} from "@drvkit/drv-parser";
import type { BuildSpec, Isolation } from "../ports/sandbox.js";
import { buildFiles } from "./build-files.js";
import { builderEnvironment, type EnvironmentInputs } from "./environment.js";
import type { Graph } from "./references-graph.js";
import { outputRewrites, rewriteBytes } from "./rewrites.js";

/** What a build spec is made from. */
export interface SpecInputs extends Omit<EnvironmentInputs, "rewrites"> {
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  readonly isInMemory: boolean;
  readonly isolation: Isolation;
  /** Closure of every input, in byte order. */
  readonly inputs: readonly StorePath[];
  /** Where each output is written. */
  readonly scratch: ReadonlyMap<OutputName, StorePath>;
  /** Where each output is or will be, as far as that is known. */
  readonly known: ReadonlyMap<OutputName, StorePath | undefined>;
  /** Closures asked for by `exportReferencesGraph`. */
  readonly graphs: ReadonlyMap<string, Graph>;
}

/** Everything a builder gets, from values alone. */
export function makeBuildSpec(from: SpecInputs): BuildSpec {
  const { drv, options } = from;
  const rewrites = outputRewrites(from.scratch, from.known);
  const own = new Set(from.scratch.values());
  return {
    drvPath: from.drvPath,
    isInMemory: from.isInMemory,
    platform: drv.platform,
    isolation: from.isolation,
    idRange: options.requiredSystemFeatures.has("uid-range"),
    buildDir: from.buildDir,
    builder: drv.builder,
    argv: [baseNameOfProgram(drv.builder), ...drv.args.map((arg) => rewriteBytes(arg, rewrites))],
    env: builderEnvironment(drv, options, { ...from, rewrites }),
    files: buildFiles(drv, options, from.graphs, rewrites),
    inputs: from.inputs.filter((path) => !own.has(path)),
    outputs: [...from.scratch.values()],
    network: isSandboxed(derivationType(drv)) ? "private" : "host",
    impureHostDeps: options.impureHostDeps,
  };
}

function baseNameOfProgram(builder: Uint8Array): Uint8Array {
  return builder.subarray(builder.lastIndexOf(bytesOf("/")[0] as number) + 1);
}
