import { GoalError } from "../../error.js";
import type { BuildResult } from "../../result/build-result.js";
import { isSuccess } from "../../result/exit-status.js";
import type { GoalContext } from "../../worker/context.js";
import { load } from "./load.js";
import { realiseInputs } from "./realise-inputs.js";
import { miscFailure } from "./result.js";
import type { At, Stage } from "./stages.js";
import { substitute } from "./substitute.js";
import { refuseUnknownNames, wantedOutputs } from "./wanted.js";

/** Takes one derivation through its stages to its result. Throws only when the goal was aborted. */
export async function runDerivationGoal(cx: GoalContext): Promise<BuildResult> {
  let stage: Stage = { at: "load", because: "created", tried: "not-yet" };
  let expected = false;
  while (stage.at !== "done") {
    if (stage.because !== "created") await cx.turn(); // it begins with a turn
    cx.throwIfAborted();
    const next: Stage = await step(stage, cx);
    cx.emit({ type: "goal-stage", goal: cx.key, from: stage.at, to: next.at, because: next.because });
    if (next.at === "realiseInputs" && !expected) {
      expected = true;
      cx.counters.expect();
    }
    stage = next;
  }
  if (expected) cx.counters.end(outcomeOf(stage.result));
  return stage.result;
}

/** One stage; what it throws is this goal's failure and nobody else's. Only aborts and bugs leave it. */
async function step(stage: Exclude<Stage, { readonly at: "done" }>, cx: GoalContext): Promise<Stage> {
  try {
    const version = cx.wanted.version;
    const next = await enter(stage, cx);
    // A builder runs outside of turns. From here to the end of the goal nobody else may ask it for outputs.
    if (stage.at === "build") await cx.turn();
    return cx.wanted.version === version ? next : covered(stage, next, cx);
  } catch (error) {
    cx.signal.throwIfAborted();
    if (error instanceof GoalError && error.code === "ERR_BUG") throw error;
    return { at: "done", because: "error", result: miscFailure(cx.drvPath, error) } satisfies At<"done">;
  }
}

/** More outputs were asked for during a stage. A build has made them all; any other good end is looked at again. */
async function covered(stage: Stage, next: Stage, cx: GoalContext): Promise<Stage> {
  if (next.at !== "done" || !isSuccess(next.result)) return next;
  if (next.made === undefined)
    return { at: "load", because: "outputs-added", tried: "tried" in stage ? stage.tried : "again" };
  refuseUnknownNames(cx, await cx.derivation());
  return { ...next, result: { ...next.result, outputs: wantedOutputs(cx, next.made) } };
}

/** What builds is loaded with the first build: most runs find everything valid. */
function enter(stage: Exclude<Stage, { readonly at: "done" }>, cx: GoalContext): Promise<Stage> {
  switch (stage.at) {
    case "load":
      return load(stage, cx);
    case "substitute":
      return substitute(stage, cx);
    case "realiseInputs":
      return realiseInputs(stage, cx);
    case "repairClosure":
      return import("./repair-closure.js").then(({ repairClosure }) => repairClosure(stage, cx));
    case "resolve":
      return import("./resolve.js").then(({ resolve }) => resolve(stage, cx));
    case "build":
      return import("./build.js").then(({ build }) => build(stage, cx));
  }
}

function outcomeOf(result: BuildResult): "done" | "failed" | "dropped" {
  if (isSuccess(result)) return "done";
  return result.status === "dependencyFailed" ? "dropped" : "failed";
}
