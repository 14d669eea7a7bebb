import type { BasicDerivation, StorePath } from "@drvkit/drv-parser";
import { GoalError } from "./error.js";
import type { BuildResult } from "./result/build-result.js";
import { type RunOptions, runGoals } from "./run-goals.js";

/**
 * Builds all outputs of a derivation that is handed over: the store need not have it, only its sources. What goes wrong is
 * the result.
 *
 * Whoever takes derivations from others asks first: an input-addressed one can claim any path, so only who is trusted may
 * hand one over, and the path of a content-addressed one is computed anew, never believed.
 *
 * @throws {@link GoalError} `ERR_GOAL_ATTRIBUTE` for one with input derivations, which is to be resolved first.
 * @see Nix: src/libstore/build/entry-points.cc, `buildDerivation`
 */
export async function buildDerivation(
  drvPath: StorePath,
  derivation: BasicDerivation,
  options: RunOptions,
): Promise<BuildResult> {
  if (derivation.inputDrvs.size > 0)
    throw new GoalError("ERR_GOAL_ATTRIBUTE", `derivation '${drvPath}' has input derivations`, {
      hint: "hand over what `resolveDerivation` makes of it",
    });
  const { results } = await runGoals([{ drvPath, outputs: "all", derivation }], options);
  return results[0] as BuildResult;
}
