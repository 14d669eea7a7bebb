import { compareText, type StorePath } from "@drvkit/drv-parser";
import { isSuccess } from "../../result/exit-status.js";
import type { GoalContext } from "../../worker/context.js";
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
    .map(([drvPath, outputs]) => ({ drvPath, outputs }));
  const results = await cx.realise(requests);
  const failed = results.flatMap((result) => (result === undefined || isSuccess(result) ? [] : [result]));
  if (failed.length > 0)
    return fail(cx, "dependency-failed", {
      status: "dependencyFailed",
      message: `${failed.length} dependencies of derivation '${cx.drvPath}' failed to build`,
      code: "ERR_BUILD_FAILED",
      failedDependencies: failed.flatMap((result) =>
        "failedDependencies" in result ? (result.failedDependencies ?? []) : [result.drvPath],
      ),
    });

  const outputs = requests.flatMap(({ outputs }, index) => outputsOf(results[index], outputs));
  return { at: "build", because: "inputs-ready", inputs: [...sources, ...outputs] };
}

type Results = Awaited<ReturnType<GoalContext["realise"]>>;

/** A goal may have been asked for more outputs by others. */
function outputsOf(result: Results[number], names: ReadonlySet<string>): readonly StorePath[] {
  if (result === undefined || !isSuccess(result)) return [];
  return [...result.outputs].flatMap(([name, path]) => (names.has(name) ? [path] : []));
}
