import { compareText, type StorePath } from "@drvkit/drv-parser";
import { GoalError, invariant } from "../../error.js";
import type { BuildResult } from "../../result/build-result.js";
import { isSuccess } from "../../result/exit-status.js";
import type { GoalContext, InputRequest } from "../../worker/context.js";
import { fail } from "./result.js";
import type { At, Next } from "./stages.js";

/** Makes the inputs valid. Rows B2–I6 without substituters. */
export async function realiseInputs(_stage: At<"realiseInputs">, cx: GoalContext): Next<"realiseInputs"> {
  const drv = await cx.derivation();
  const sources = [...drv.inputSrcs].sort(compareText);
  const valid = await cx.ports.store.queryValidPaths(sources);
  const missing = sources.find((path) => !valid.has(path));
  if (missing !== undefined)
    return fail(cx, "missing-source", {
      status: "miscFailure",
      message: `dependency '${missing}' of '${cx.drvPath}' does not exist, and substitution is disabled`,
      code: "ERR_GOAL_MISSING_SOURCE",
      hint: "add the source to the store, or build from a '.drv' file that has it beside it",
    });

  const requests = [...drv.inputDrvs]
    .sort(([a], [b]) => compareText(a, b))
    .map(([drvPath, outputs]) => ({ drvPath, outputs: outputs.size === 0 ? ("all" as const) : outputs }));
  const results = await cx.realise(requests);
  const failed = results.flatMap((result) => (result === undefined || isSuccess(result) ? [] : [result]));
  if (failed.length > 0)
    return fail(cx, "dependency-failed", {
      status: "dependencyFailed",
      message: `${failed.length} dependencies of derivation '${cx.drvPath}' failed to build`,
      code: "ERR_BUILD_FAILED",
      failedDependencies: firstCauses(failed),
    });

  const outputs = requests.flatMap((request, index) => outputsOf(request, results[index], cx.drvPath));
  return { at: "build", because: "inputs-ready", inputs: [...sources, ...outputs] };
}

/** More than anybody reads; without a limit a chain of failures would repeat all of them at every link. */
const mostCauses = 100;

/** What failed by itself, once each. */
function firstCauses(failed: readonly BuildResult[]): readonly StorePath[] {
  const causes = failed.flatMap((result) =>
    "failedDependencies" in result ? (result.failedDependencies ?? []) : [result.drvPath],
  );
  return [...new Set(causes)].slice(0, mostCauses);
}

/** The outputs asked for here; the goal may have been asked for more by others. */
function outputsOf(
  { drvPath: input, outputs }: InputRequest,
  result: BuildResult | undefined,
  drvPath: StorePath,
): readonly StorePath[] {
  invariant(result !== undefined && isSuccess(result), `input '${input}' of '${drvPath}' has no result`);
  if (outputs === "all") return [];
  return [...outputs].map((name) => {
    const path = result.outputs.get(name);
    if (path !== undefined) return path;
    throw new GoalError(
      "ERR_GOAL_UNKNOWN_OUTPUT",
      `derivation '${drvPath}' requires non-existent output '${name}' from input derivation '${input}'`,
    );
  });
}
