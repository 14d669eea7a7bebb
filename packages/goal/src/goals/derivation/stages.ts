import type { OutputName, StorePath } from "@drvkit/drv-parser";
import type { BuildResult } from "../../result/build-result.js";
import type { InputOutputs } from "./input-outputs.js";

/** Which stage may follow which. A stage's return type is its row. */
export const transitions = {
  load: ["load", "substitute", "realiseInputs", "repairClosure", "done"],
  substitute: ["load", "realiseInputs", "repairClosure", "done"],
  realiseInputs: ["load", "resolve", "build", "done"],
  resolve: ["load", "done"],
  repairClosure: ["load", "done"],
  build: ["load", "done"],
} as const;

/**
 * Why a goal entered a stage. The rows of the specification behind each: docs/goal-stages.md.
 *
 * - `created`: the goal begins
 * - `outputs-added`: more outputs were asked for than those that turned out valid
 * - `missing-derivation`: the derivation is not valid and nobody offers it
 * - `already-valid`: every wanted output is valid
 * - `check-impossible`: nothing to compare with
 * - `asks-substituters`: a wanted output is not valid, and somebody may offer it
 * - `substituted`: every wanted output was obtained elsewhere
 * - `substitutes-failed`: what was offered did not come
 * - `retry-after-incomplete-closure`: inputs were missing to what was offered; now they are there
 * - `outputs-good`: every wanted output is what was registered; now the rest of the closure is looked at
 * - `closure-good`: so is everything that they refer to
 * - `closure-repaired`: what was not is again
 * - `closure-not-repaired`: something in the closure could neither be obtained nor built
 * - `needs-build`: a wanted output is not valid, or not any more what was registered
 * - `needs-check`: valid outputs are to be built again
 * - `missing-source`: an input source is not valid and nobody offers it
 * - `source-not-copied`: an input source is only in the evaluation store, and did not come from there
 * - `dependency-failed`: an input could not be made
 * - `inputs-ready`: every input is valid
 * - `needs-resolution`: so it is, and only now the paths of all inputs are known
 * - `resolved-built`: the derivation with plain paths as inputs gave the outputs, now or before
 * - `resolved-failed`: it could not be built
 * - `built-by-another`: another process was first
 * - `rejected`: the build could not even start
 * - `built`: the outputs are registered
 * - `checked`: the outputs came out the same again
 * - `failed`: the builder or its outputs failed
 * - `error`: the world around the goal failed
 */
export type Because =
  | "created"
  | "outputs-added"
  | "missing-derivation"
  | "already-valid"
  | "check-impossible"
  | "asks-substituters"
  | "substituted"
  | "substitutes-failed"
  | "retry-after-incomplete-closure"
  | "outputs-good"
  | "closure-good"
  | "closure-repaired"
  | "closure-not-repaired"
  | "needs-build"
  | "needs-check"
  | "missing-source"
  | "source-not-copied"
  | "dependency-failed"
  | "inputs-ready"
  | "needs-resolution"
  | "resolved-built"
  | "resolved-failed"
  | "built-by-another"
  | "rejected"
  | "built"
  | "checked"
  | "failed"
  | "error";

/**
 * How often the outputs were asked for elsewhere: `incomplete` when nothing but references was missing to what was
 * offered, so that it is worth another try once the inputs are there; `again` after that.
 */
export type Tried = "not-yet" | "once" | "incomplete" | "again";

/** What is known on entering a stage. A waiting goal holds paths, never derivations. */
export type Stage =
  | { readonly at: "load"; readonly because: Because; readonly tried: Tried }
  | { readonly at: "substitute"; readonly because: Because; readonly tried: Tried }
  | { readonly at: "realiseInputs"; readonly because: Because; readonly tried: Tried }
  | { readonly at: "repairClosure"; readonly because: Because }
  | { readonly at: "build"; readonly because: Because; readonly inputs: readonly StorePath[] }
  | {
      readonly at: "resolve";
      readonly because: Because;
      /** Paths of the outputs of the input derivations. */
      readonly inputOutputs: InputOutputs;
    }
  | {
      readonly at: "done";
      readonly because: Because;
      readonly result: BuildResult;
      /** After a build: all outputs, those too that nobody wanted when it ended. */
      readonly made?: ReadonlyMap<OutputName, StorePath>;
    };

export type StageName = Stage["at"];
export type At<Name extends StageName> = Extract<Stage, { readonly at: Name }>;
export type Next<Name extends keyof typeof transitions> = Promise<At<(typeof transitions)[Name][number]>>;
