import { compareText, needsResolution, type StorePath } from "@drvkit/drv-parser";
import { isSuccess } from "../../result/exit-status.js";
import type { GoalContext, InputRequest, WaiteeResults, Waitees } from "../../worker/context.js";
import type { GoalResult } from "../../worker/goals.js";
import { refuseImpureInputs } from "./features.js";
import { type InputOutputs, outputsOf, realiseNested } from "./input-outputs.js";
import { usesRealisations } from "./realisations.js";
import { fail } from "./result.js";
import type { At, Next } from "./stages.js";
import { inputRequests } from "./wanted.js";

/** What a goal waits for: paths only, as one that waits holds no derivation. */
export interface Needed {
  readonly waitees: Waitees & { readonly derivations: readonly InputRequest[] };
}

/** Names the inputs. Rows B1–B6. */
export async function needInputs(_stage: At<"realiseInputs">, cx: GoalContext): Promise<Needed | At<"done">> {
  const drv = await cx.derivation();
  await refuseImpureInputs(drv, cx);
  const failed = await copySources(drv.inputSrcs, cx);
  if (failed !== undefined) return failed;
  const missing = await missingOf(drv.inputSrcs, cx);
  const [first] = missing;
  if (first !== undefined && !cx.substituters.areAny)
    return fail(cx, "missing-source", {
      status: "miscFailure",
      message: `dependency '${first}' of '${cx.drvPath}' does not exist, and substitution is disabled`,
      code: "ERR_GOAL_MISSING_SOURCE",
      hint: "add the source to the store, or build from a '.drv' file that has it beside it",
    });
  return {
    waitees: {
      derivations: [...inputRequests(drv)].sort((a, b) => compareText(a.drvPath, b.drvPath)),
      paths: missing.map((path) => ({ path })),
      mode: cx.mode === "repair" ? "repair" : "normal", // inputs are never checked
    },
  };
}

/**
 * Copies the closure of what the store lacks of the sources, as far as the evaluation store has them: a resolved
 * derivation has others. Row B3.
 */
async function copySources(
  sources: ReadonlySet<StorePath>,
  cx: GoalContext,
): Promise<At<"done"> | undefined> {
  const { evalStore } = cx.ports;
  if (evalStore === undefined) return undefined;
  const valid = await evalStore.queryValidPaths(await missingOf(sources, cx));
  if (valid.size === 0) return undefined;
  const wanted = [...valid].sort(compareText);
  const { paths } = await cx.waitFor({ paths: wanted.map((path) => ({ path, from: "evalStore" })) });
  const failed = paths.find((result) => result !== undefined && result.exit !== "success");
  if (failed === undefined) return undefined;
  return fail(cx, "source-not-copied", {
    status: "miscFailure",
    message: failed.errorMessage,
    code: failed.errorCode,
    hint: failed.hint,
    failedDependencies: [failed.path],
  });
}

/** Those that the store lacks. */
async function missingOf(
  sources: ReadonlySet<StorePath>,
  { ports: { store } }: GoalContext,
): Promise<readonly StorePath[]> {
  const valid = await store.queryValidPaths(sources);
  return [...sources].filter((path) => !valid.has(path)).sort(compareText);
}

/** What became of the inputs. Rows I1–I6. */
export async function realiseInputs(
  { tried }: At<"realiseInputs">,
  { waitees, results }: Needed & { readonly results: WaiteeResults },
  cx: GoalContext,
): Next<"realiseInputs"> {
  const failed = [
    ...results.derivations.filter((result) => result !== undefined && !isSuccess(result)),
    ...results.paths.filter((result) => result !== undefined && result.exit !== "success"),
  ].filter((result) => result !== undefined);
  if (failed.length > 0) return failedInputs(failed, cx);
  // What was offered lacked references, and these are the inputs: now it may be had after all.
  if (tried === "incomplete")
    return { at: "load", because: "retry-after-incomplete-closure", tried: "again" };
  return withInputs(outputsOf(waitees.derivations, results.derivations, cx.drvPath), cx);
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
