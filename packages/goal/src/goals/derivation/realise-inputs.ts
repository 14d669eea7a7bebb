import { compareText, needsResolution, type StorePath } from "@drvkit/drv-parser";
import { isSuccess } from "../../result/exit-status.js";
import type { GoalContext, InputRequest } from "../../worker/context.js";
import type { GoalResult } from "../../worker/goals.js";
import { refuseImpureInputs } from "./features.js";
import { type InputOutputs, outputsOf, realiseNested } from "./input-outputs.js";
import { usesRealisations } from "./realisations.js";
import { fail } from "./result.js";
import type { At, Next } from "./stages.js";
import { inputRequests } from "./wanted.js";

/** Makes the inputs valid. Rows B2–I6. */
export async function realiseInputs({ tried }: At<"realiseInputs">, cx: GoalContext): Next<"realiseInputs"> {
  const needed = await neededInputs(cx);
  const [missing] = needed.missing;
  if (missing !== undefined && !cx.substituters.areAny)
    return fail(cx, "missing-source", {
      status: "miscFailure",
      message: `dependency '${missing}' of '${cx.drvPath}' does not exist, and substitution is disabled`,
      code: "ERR_GOAL_MISSING_SOURCE",
      hint: "add the source to the store, or build from a '.drv' file that has it beside it",
    });

  const results = await cx.waitFor({
    derivations: needed.requests,
    paths: needed.missing.map((path) => ({ path })),
    mode: cx.mode === "repair" ? "repair" : "normal", // inputs are never checked
  });
  const failed = [
    ...results.derivations.filter((result) => result !== undefined && !isSuccess(result)),
    ...results.paths.filter((result) => result !== undefined && result.exit !== "success"),
  ].filter((result) => result !== undefined);
  if (failed.length > 0) return failedInputs(failed, cx);
  // What was offered lacked references, and these are the inputs: now it may be had after all.
  if (tried === "incomplete")
    return { at: "load", because: "retry-after-incomplete-closure", tried: "again" };
  return withInputs(outputsOf(needed.requests, results.derivations, cx.drvPath), cx);
}

/** What is waited for: paths only, as a goal that waits holds no derivation. */
async function neededInputs(cx: GoalContext): Promise<{
  readonly requests: readonly InputRequest[];
  readonly missing: readonly StorePath[];
}> {
  const drv = await cx.derivation();
  await refuseImpureInputs(drv, cx);
  const valid = await cx.ports.store.queryValidPaths(drv.inputSrcs);
  return {
    requests: [...inputRequests(drv)].sort((a, b) => compareText(a.drvPath, b.drvPath)),
    missing: [...drv.inputSrcs].filter((path) => !valid.has(path)).sort(compareText),
  };
}

/** All inputs are valid. Rows I4, I6. */
async function withInputs(known: InputOutputs, cx: GoalContext): Next<"realiseInputs"> {
  const drv = await cx.derivation();
  const inputOutputs = await realiseNested(drv, known, cx);
  if (!("get" in inputOutputs)) return failedInputs(inputOutputs, cx);
  if (needsResolution(drv, usesRealisations(cx)))
    return { at: "resolve", because: "needs-resolution", inputOutputs };
  const outputs = [...inputOutputs.values()].flatMap((paths) => [...paths.values()]);
  return {
    at: "build",
    because: "inputs-ready",
    inputs: [...[...drv.inputSrcs].sort(compareText), ...outputs],
  };
}

/** Rows I1, I2. */
function failedInputs(failed: readonly GoalResult[], cx: GoalContext): At<"done"> {
  if (cx.isInMemory)
    return fail(cx, "dependency-failed", {
      status: "miscFailure",
      message: `some dependencies of '${cx.drvPath}' are missing`,
      code: "ERR_GOAL_MISSING_SOURCE",
      hint: "add the sources to the store, or give a substituter that has them",
    });
  return fail(cx, "dependency-failed", {
    status: "dependencyFailed",
    message: `${failed.length} dependencies of derivation '${cx.drvPath}' failed to build`,
    code: "ERR_BUILD_FAILED",
    failedDependencies: firstCauses(failed),
  });
}

/** More than anybody reads; without a limit a chain of failures would repeat all of them at every link. */
const mostCauses = 100;

/** What failed by itself, once each. */
function firstCauses(failed: readonly GoalResult[]): readonly StorePath[] {
  const causes = failed.flatMap((result) => {
    if ("exit" in result) return "path" in result ? [result.path] : [];
    return "failedDependencies" in result ? (result.failedDependencies ?? []) : [result.drvPath];
  });
  return [...new Set(causes)].slice(0, mostCauses);
}
