import {
  computeContentAddressedPath,
  EngineError,
  isDerivationPath,
  namePartOf,
  type StorePath,
} from "@drvkit/drv-parser";
import { isContentAddressed, isTrusted, type PathInfo } from "@drvkit/narinfo";
import { GoalError } from "../../error.js";
import type { SubstitutableInfo } from "../../ports/substituter.js";
import type { SubstitutionResult } from "../../result/substitution-result.js";
import type { SubstitutionContext } from "../../worker/context.js";
import type { Substituter } from "../../worker/substituters.js";
import type { AtPath, NextPath, PathStage } from "./stages.js";

/** Obtains one path, references first. Throws only when the goal was aborted. */
export async function runPathSubstitution(cx: SubstitutionContext): Promise<SubstitutionResult> {
  let stage: PathStage = { at: "init", because: "created" };
  let expected = false;
  while (stage.at !== "done") {
    await cx.turn();
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
    const { code, hint } = error as { readonly code?: unknown; readonly hint?: unknown };
    return done("error", {
      path: cx.path,
      exit: "failed",
      status: "miscFailure",
      errorMessage: error instanceof Error ? error.message : String(error),
      ...(typeof code === "string" ? { errorCode: code } : {}),
      ...(typeof hint === "string" ? { hint } : {}),
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
  await store.addTempRoot(cx.path);
  if ((await store.queryValidPaths([cx.path])).has(cx.path))
    return success(cx, "alreadyValid", "already-valid");
  return { at: "tryNext", because: "not-valid", next: 0 };
}

/** Asks one substituter. Rows P4–P11. */
async function tryNext({ next, failure }: AtPath<"tryNext">, cx: SubstitutionContext): NextPath<"tryNext"> {
  const from = cx.settings.substitute ? cx.substituters.all[next] : undefined;
  if (from === undefined) return nobodyOffers(cx, failure);
  const on = (because: AtPath<"tryNext">["because"]): AtPath<"tryNext"> => ({
    at: "tryNext",
    because,
    next: next + 1,
    failure,
  });
  if (cx.substituters.isDead(from)) return on("does-not-answer");
  const there = pathAt(from, cx);
  if (there === undefined) return on("another-store");
  let info: SubstitutableInfo | undefined;
  try {
    const asked = from.port.queryPathInfo(there, { signal: cx.signal });
    cx.leaveTurn();
    info = await asked;
  } catch (error) {
    cx.signal.throwIfAborted();
    cx.substituters.bury(from, error);
    return on("does-not-answer");
  }
  if (info === undefined) return on("not-offered");
  if (!leadsToOurs(info, from, cx)) return on("another-path");
  const needsSignature = cx.settings.requireSignatures && !from.trusted;
  // Under our path: content that leads to another one vouches for nothing here.
  const trusted = isTrusted(asOurs(info, cx.path), cx.settings.trustedPublicKeys);
  if (needsSignature && !(await trusted)) {
    warn(
      cx,
      `ignoring substitute for '${cx.path}' from '${from.uri}', as it's not signed by any of the keys in 'trusted-public-keys'`,
    );
    return on("not-trusted");
  }
  return { at: "references", because: "offered", next: next + 1, failure, offer: { from, info } };
}

/** The path at a substituter: with another store directory only content leads to one. Rows P5, P6. */
function pathAt({ storeDir }: Substituter, { path, ca, ports }: SubstitutionContext): StorePath | undefined {
  if (ca !== undefined) return computeContentAddressedPath(storeDir, namePartOf(path), ca);
  return storeDir === ports.store.storeDir ? path : undefined;
}

/** What content alone leads to may come under another path; nothing else may. Row P9. */
function leadsToOurs(info: SubstitutableInfo, { uri }: Substituter, cx: SubstitutionContext): boolean {
  if (info.path === cx.path) return true;
  if (isContentAddressed(info) && info.references.size === 0) return true;
  warn(cx, `asked '${uri}' for '${cx.path}' but got '${info.path}'`);
  return false;
}

/** Rows P12, P13. */
async function references(stage: AtPath<"references">, cx: SubstitutionContext): NextPath<"references"> {
  const wanted = [...stage.offer.info.references].filter((reference) => reference !== cx.path);
  const { paths: results } = await cx.waitFor({ paths: wanted.map((path) => ({ path })) });
  const failed = results.filter((result) => result?.exit !== "success");
  if (failed.length > 0) {
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

/** Rows P14–P18. */
async function fetch({ offer, next, failure }: AtPath<"fetch">, cx: SubstitutionContext): NextPath<"fetch"> {
  const { from, info } = offer;
  using _slot = await cx.slot();
  cx.counters.start();
  cx.emit({
    type: "substitution-started",
    goal: cx.key,
    path: cx.path,
    uri: from.uri,
    narSizeBytes: info.narSizeBytes,
  });
  let outcome: "substituted" | "gone" | "failed" = "failed";
  try {
    const added = cx.ports.store.addFromArchive(
      asOurs(info, cx.path),
      from.port.archive(info, { signal: cx.signal }),
      { signal: cx.signal },
    );
    cx.leaveTurn();
    await added;
    outcome = "substituted";
    return success(cx, "substituted", "substituted");
  } catch (error) {
    cx.signal.throwIfAborted();
    const { code } = error as { readonly code?: unknown };
    const reason = error instanceof Error ? error.message : String(error);
    if (code === "ERR_SUBSTITUTE_GONE") {
      outcome = "gone";
      warn(cx, `substitute for '${cx.path}' from '${from.uri}' is gone: ${reason}`);
      return { at: "tryNext", because: "gone", next, failure };
    }
    cx.emit({
      type: "message",
      goal: cx.key,
      level: "error",
      text: `cannot substitute '${cx.path}' from '${from.uri}': ${reason}`,
    });
    return { at: "tryNext", because: "fetch-failed", next, failure: reason };
  } finally {
    cx.counters.stop();
    cx.emit({ type: "substitution-finished", goal: cx.key, path: cx.path, uri: from.uri, outcome });
  }
}

/** What the store keeps: nothing of what only the substituter's word stands for. */
function asOurs(
  { downloadSizeBytes: _downloadSizeBytes, ...info }: SubstitutableInfo,
  path: StorePath,
): PathInfo {
  return { ...info, path, registrationTimeSeconds: 0, ultimate: false };
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

function success(
  cx: SubstitutionContext,
  status: "alreadyValid" | "substituted",
  because: AtPath<"done">["because"],
): AtPath<"done"> {
  return done(because, { path: cx.path, exit: "success", status });
}

function done(because: AtPath<"done">["because"], result: SubstitutionResult): AtPath<"done"> {
  return { at: "done", because, result };
}

function warn(cx: SubstitutionContext, text: string): void {
  cx.emit({ type: "message", goal: cx.key, level: "warn", text });
}
