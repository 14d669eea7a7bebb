import { GoalError } from "../../error.js";
import type { BuildResult } from "../../result/build-result.js";
import { isSuccess } from "../../result/exit-status.js";
import type { GoalContext, WaiteeResults } from "../../worker/context.js";
import type { Told } from "../../worker/goals.js";
import { load } from "./load.js";
import { type Needed, needInputs, realiseInputs } from "./realise-inputs.js";
import { miscFailure } from "./result.js";
import type { At, Stage } from "./stages.js";
import { substitute } from "./substitute.js";
import { refuseUnknownNames, wantedOutputs } from "./wanted.js";

/** Where a goal is, and what it had to wait for there. */
interface Place {
  readonly stage: Stage;
  /** It counts among what is expected. */
  readonly expected: boolean;
  readonly waited?: Waited;
}

interface Waited extends Needed {
  /** Of what was wanted when the waiting began. */
  readonly version: number;
  readonly results: WaiteeResults;
}

/**
 * Takes one derivation through its stages to its result; `failed` only when the goal was aborted. While it waits for its
 * inputs nothing of it is left but the way back: many thousand goals may wait.
 */
export function runDerivationGoal(cx: GoalContext, told: Told<BuildResult>): void {
  new DerivationRun(cx, told).goOn({
    stage: { at: "load", because: "created", tried: "not-yet" },
    expected: false,
  });
}

/** It is told of what it waits for. */
class DerivationRun implements Told<WaiteeResults> {
  #stopped: Stopped | undefined;

  constructor(
    private readonly cx: GoalContext,
    private readonly told: Told<BuildResult>,
  ) {}

  goOn(place: Place): void {
    advance(place, this.cx).then(
      (stopped) => {
        if (!("needed" in stopped)) return this.told.done(stopped);
        this.#stopped = stopped;
        this.cx.whenEnded(stopped.needed.waitees, this);
      },
      (error) => this.failed(error),
    );
  }

  done(results: WaiteeResults): void {
    if (this.#stopped === undefined) return;
    const { needed, version, ...at } = this.#stopped;
    this.#stopped = undefined;
    this.goOn({ ...at, waited: { ...needed, version, results } });
  }

  failed(error: unknown): void {
    this.told.failed(error);
  }
}

interface Stopped extends Omit<Place, "waited"> {
  readonly needed: Needed;
  readonly version: number;
}

/** To the end, or to where it has to wait. It begins with a turn. */
async function advance(place: Place, cx: GoalContext): Promise<BuildResult | Stopped> {
  let { stage, expected, waited } = place;
  let hasTurn = true;
  while (stage.at !== "done") {
    if (!hasTurn) await cx.turn();
    hasTurn = false;
    cx.throwIfAborted();
    const version = waited?.version ?? cx.wanted.version;
    const next: Stage | Needed = await step(stage, { version, waited }, cx);
    if ("waitees" in next) return { stage, expected, needed: next, version };
    waited = undefined;
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
async function step(
  stage: Exclude<Stage, { readonly at: "done" }>,
  { version, waited }: { readonly version: number; readonly waited: Waited | undefined },
  cx: GoalContext,
): Promise<Stage | Needed> {
  try {
    const next = await enter(stage, waited, cx);
    if ("waitees" in next) return next;
    // A builder runs outside of turns. From here to the end of the goal nobody else may ask it for outputs.
    if (stage.at === "build") await cx.turn();
    return await judged(stage, next, version, cx);
  } catch (error) {
    cx.throwIfAborted();
    if (error instanceof GoalError && error.code === "ERR_BUG") throw error;
    cx.close();
    return { at: "done", because: "error", result: miscFailure(cx.drvPath, error) } satisfies At<"done">;
  }
}

/** What follows, for all that is wanted now. Once it is the end nobody comes to the goal any more. */
async function judged(stage: Stage, found: Stage, version: number, cx: GoalContext): Promise<Stage> {
  let [next, seen] = [found, version];
  while (next.at === "done" && cx.wanted.version !== seen) {
    seen = cx.wanted.version;
    next = await covered(stage, next, cx);
  }
  if (next.at === "done") cx.close();
  return next;
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
function enter(
  stage: Exclude<Stage, { readonly at: "done" }>,
  waited: Waited | undefined,
  cx: GoalContext,
): Promise<Stage | Needed> {
  switch (stage.at) {
    case "load":
      return load(stage, cx);
    case "substitute":
      return substitute(stage, cx);
    case "realiseInputs":
      return waited === undefined ? needInputs(stage, cx) : realiseInputs(stage, waited, cx);
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
