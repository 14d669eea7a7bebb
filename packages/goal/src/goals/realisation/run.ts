import { parseDrvOutput, printDrvOutput } from "@drvkit/narinfo";
import { describeError, GoalError } from "../../error.js";
import type { RealisationResult } from "../../result/realisation-result.js";
import type { RealisationContext } from "../../worker/context.js";
import { askRealisation } from "./ask.js";
import type { AtRealisation, NextRealisation, RealisationBecause, RealisationStage } from "./stages.js";

/** Learns the path of one output from others and obtains it. Throws only when the goal was aborted. */
export async function runRealisationSubstitution(cx: RealisationContext): Promise<RealisationResult> {
  let stage: RealisationStage = { at: "init", because: "created" };
  while (stage.at !== "done") {
    if (stage.because !== "created") await cx.turn(); // it begins with a turn
    cx.signal.throwIfAborted();
    const next: RealisationStage = await step(stage, cx);
    cx.emit({ type: "realisation-stage", goal: cx.key, from: stage.at, to: next.at, because: next.because });
    stage = next;
  }
  return stage.result;
}

/** One stage; what it throws is this goal's failure and nobody else's. Only aborts and bugs leave it. */
async function step(
  stage: Exclude<RealisationStage, { readonly at: "done" }>,
  cx: RealisationContext,
): Promise<RealisationStage> {
  try {
    return await enter(stage, cx);
  } catch (error) {
    cx.signal.throwIfAborted();
    if (error instanceof GoalError && error.code === "ERR_BUG") throw error;
    const { message, code, hint } = describeError(error);
    return failed("error", cx, "failed", { message, code, hint });
  }
}

async function enter(
  stage: Exclude<RealisationStage, { readonly at: "done" }>,
  cx: RealisationContext,
): Promise<RealisationStage> {
  switch (stage.at) {
    case "init":
      return init(stage, cx);
    case "tryNext":
      return tryNext(stage, cx);
    case "outPath":
      return outPath(stage, cx);
  }
}

/** Rows O1, O2. */
export async function init(_stage: AtRealisation<"init">, cx: RealisationContext): NextRealisation<"init"> {
  const known = await cx.ports.store.queryRealisation(cx.id);
  if (known === undefined) return { at: "tryNext", because: "not-known", next: 0 };
  return {
    at: "done",
    because: "already-known",
    result: { id: cx.id, exit: "success", outPath: known.outPath },
  };
}

/** Asks one substituter. Rows O3–O8. */
export async function tryNext(
  { next }: AtRealisation<"tryNext">,
  cx: RealisationContext,
): NextRealisation<"tryNext"> {
  const from = cx.substituters.all[next];
  if (from === undefined)
    return failed("no-substituters", cx, "noSubstituters", {
      message: `derivation output '${printDrvOutput(cx.id)}' is required, but there is no substituter that can provide it`,
    });
  const { because, realisation } = await askRealisation(from, cx);
  if (realisation === undefined) return { at: "tryNext", because, next: next + 1 };
  return { at: "outPath", because, offer: realisation };
}

/** Rows O8–O10. */
export async function outPath(
  { offer }: AtRealisation<"outPath">,
  cx: RealisationContext,
): NextRealisation<"outPath"> {
  const own = printDrvOutput(cx.id);
  const dependencies = [...offer.dependentRealisations.keys()].filter((id) => id !== own).sort();
  const results = await cx.waitFor({
    realisations: dependencies.map((id) => parseDrvOutput(id, cx.ports.store.storeDir)),
    paths: [{ path: offer.outPath }],
  });
  const exits = [...results.realisations, ...results.paths].map((result) => result?.exit ?? "failed");
  if (exits.some((exit) => exit !== "success")) {
    const isIncomplete = exits.includes("noSubstituters") || exits.includes("incompleteClosure");
    return failed("path-failed", cx, isIncomplete ? "incompleteClosure" : "failed", {
      message: `The output path of the derivation output '${own}' could not be substituted`,
    });
  }
  await cx.ports.store.registerRealisation(offer);
  return {
    at: "done",
    because: "registered",
    result: { id: cx.id, exit: "success", outPath: offer.outPath },
  };
}

function failed(
  because: RealisationBecause,
  { id }: RealisationContext,
  exit: Exclude<RealisationResult["exit"], "success">,
  {
    message,
    code = "ERR_BUILD_FAILED",
    hint,
  }: { readonly message: string; readonly code?: string | undefined; readonly hint?: string | undefined },
): AtRealisation<"done"> {
  return {
    at: "done",
    because,
    result: { id, exit, errorMessage: message, errorCode: code, ...(hint === undefined ? {} : { hint }) },
  };
}
