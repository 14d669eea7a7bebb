import { EngineError, isDerivationPath } from "@drvkit/drv-parser";
import { describeError, GoalError } from "../../error.js";
import type { SubstitutionResult } from "../../result/substitution-result.js";
import type { SubstitutionContext } from "../../worker/context.js";
import { ask } from "./ask.js";
import { firstFailure, offerOfEvalStore } from "./copy.js";
import { fetch, transferBytes } from "./fetch.js";
import { done, success } from "./result.js";
import type { AtPath, NextPath, PathStage } from "./stages.js";

/** Obtains one path, references first. Throws only when the goal was aborted. */
export async function runPathSubstitution(cx: SubstitutionContext): Promise<SubstitutionResult> {
  let stage: PathStage = { at: "init", because: "created" };
  let expected = false;
  while (stage.at !== "done") {
    if (stage.because !== "created") await cx.turn(); // it begins with a turn
    cx.signal.throwIfAborted();
    const next: PathStage = await step(stage, cx);
    cx.emit({ type: "substitution-stage", goal: cx.key, from: stage.at, to: next.at, because: next.because });
    if (stage.at === "init" && next.at !== "done") {
      expected = true;
      cx.counters.expect();
    }
    stage = next;
  }
  if (expected) cx.counters.end(outcomeOf(stage.result));
  return stage.result;
}

/** That nobody offers it is no failure. */
function outcomeOf({ exit }: SubstitutionResult): "done" | "failed" | "dropped" {
  if (exit === "success") return "done";
  return exit === "failed" ? "failed" : "dropped";
}

/** One stage; what it throws is this goal's failure and nobody else's. Only aborts and bugs leave it. */
async function step(
  stage: Exclude<PathStage, { readonly at: "done" }>,
  cx: SubstitutionContext,
): Promise<PathStage> {
  try {
    return await enter(stage, cx);
  } catch (error) {
    cx.signal.throwIfAborted();
    if (error instanceof GoalError && error.code === "ERR_BUG") throw error;
    const { message: errorMessage, code, hint } = describeError(error);
    return done("error", {
      path: cx.path,
      exit: "failed",
      status: "miscFailure",
      errorMessage,
      ...(code === undefined ? {} : { errorCode: code }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

function enter(
  stage: Exclude<PathStage, { readonly at: "done" }>,
  cx: SubstitutionContext,
): Promise<PathStage> {
  switch (stage.at) {
    case "init":
      return init(stage, cx);
    case "tryNext":
      return tryNext(stage, cx);
    case "references":
      return references(stage, cx);
    case "fetch":
      return fetch(stage, cx);
  }
}

/** Rows P1–P3. */
async function init(_stage: AtPath<"init">, cx: SubstitutionContext): NextPath<"init"> {
  const { store } = cx.ports;
  await store.addTempRoots([cx.path]);
  if (!cx.repair && (await store.queryValidPaths([cx.path])).has(cx.path))
    return success(cx, "alreadyValid", "already-valid");
  return { at: "tryNext", because: cx.repair ? "needs-repair" : "not-valid", next: 0 };
}

/** Asks one substituter. Rows P4–P11. */
async function tryNext({ next, failure }: AtPath<"tryNext">, cx: SubstitutionContext): NextPath<"tryNext"> {
  if (cx.copiedFrom !== undefined) {
    const offered = await offerOfEvalStore(cx.copiedFrom, cx);
    cx.counters.expectBytes(transferBytes(offered.offer.info));
    return offered;
  }
  const from = cx.substituters.all[next];
  if (from === undefined) return nobodyOffers(cx, failure);
  const { because, info } = await ask(from, cx, {
    ports: cx.ports,
    settings: cx.settings,
    substituters: cx.substituters,
    signal: cx.signal,
    leaveTurn: () => cx.leaveTurn(),
    warn: (text) => cx.emit({ type: "message", goal: cx.key, level: "warn", text }),
  });
  if (info === undefined) return { at: "tryNext", because, next: next + 1, failure };
  cx.counters.expectBytes(transferBytes(info));
  return { at: "references", because, next: next + 1, failure, offer: { from, info } };
}

/** Rows P12, P13. */
async function references(stage: AtPath<"references">, cx: SubstitutionContext): NextPath<"references"> {
  const wanted = [...stage.offer.info.references].filter((reference) => reference !== cx.path);
  const { paths: results } = await cx.waitFor({
    paths: wanted.map((path) => (cx.copiedFrom === undefined ? { path } : { path, from: "evalStore" })),
  });
  const failed = results.filter((result) => result?.exit !== "success");
  if (failed.length > 0) {
    const cause = cx.copiedFrom === undefined ? undefined : firstFailure(failed, cx);
    if (cause !== undefined) return done("references-failed", cause);
    const isIncomplete = failed.some(
      (result) => result?.exit === "noSubstituters" || result?.exit === "incompleteClosure",
    );
    return done("references-failed", {
      path: cx.path,
      exit: isIncomplete ? "incompleteClosure" : "failed",
      status: "dependencyFailed",
      errorMessage: `some references of path '${cx.path}' could not be realised`,
      errorCode: "ERR_BUILD_FAILED",
    });
  }
  const valid = await cx.ports.store.queryValidPaths(wanted);
  const missing = wanted.find((reference) => !valid.has(reference));
  if (missing !== undefined)
    throw new EngineError(
      "ERR_STORE_NOT_VALID",
      `reference '${missing}' of path '${cx.path}' is not a valid path`,
    );
  return { ...stage, at: "fetch", because: "references-valid" };
}

/** Row P4. */
function nobodyOffers(cx: SubstitutionContext, failure: string | undefined): AtPath<"done"> {
  const hint =
    failure === undefined
      ? isDerivationPath(cx.path)
        ? "import the derivation"
        : "build the derivation that makes it"
      : `the last one that offered it failed: ${failure}`;
  return done("no-substituters", {
    path: cx.path,
    exit: failure === undefined ? "noSubstituters" : "failed",
    status: "noSubstituters",
    errorMessage: `path '${cx.path}' is required, but there is no substituter that can build it`,
    errorCode: "ERR_BUILD_FAILED",
    hint,
  });
}
