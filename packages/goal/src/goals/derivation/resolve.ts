import {
  derivationType,
  isFixed,
  isPure,
  type OutputName,
  resolveDerivation,
  type StorePath,
} from "@drvkit/drv-parser";
import { GoalError, invariant } from "../../error.js";
import { signOwnRealisation } from "../../outputs/sign.js";
import type { BuildFailure, BuildResult, BuildSuccess } from "../../result/build-result.js";
import { isSuccess } from "../../result/exit-status.js";
import type { GoalContext } from "../../worker/context.js";
import { afterBuild } from "./post-build-hook.js";
import { dependentRealisations, makeRealisation, outputIds } from "./realisations.js";
import { failureResult } from "./result.js";
import type { At, Next } from "./stages.js";

/** Builds the derivation whose inputs are plain paths, in the place of this one. Rows I4, R1. */
export async function resolve({ inputOutputs }: At<"resolve">, cx: GoalContext): Next<"resolve"> {
  const { store } = cx.ports;
  const lookup = (input: StorePath, name: OutputName) => inputOutputs.get(input)?.get(name);
  const basic = resolveDerivation(await cx.derivation(), lookup, { storeDir: store.storeDir });
  const resolved = await store.addDerivation(basic);
  cx.emit({ type: "derivation-resolved", goal: cx.key, drvPath: cx.drvPath, resolved });

  const names = cx.wanted.names();
  const outputs = names === "all" ? names : new Set(names);
  const { derivations } = await cx.waitFor({ derivations: [{ drvPath: resolved, outputs }], mode: cx.mode });
  const [result] = derivations;
  invariant(result !== undefined, `'${resolved}' was waited for and has no result`);
  if (!isSuccess(result))
    return { at: "done", because: "resolved-failed", result: failureOf(result, resolved, cx) };
  const made = await realised(result, { resolved, asked: outputs }, cx);
  const status = result.status === "alreadyValid" ? "resolvesToAlreadyValid" : result.status;
  const done = { ...result, drvPath: cx.drvPath, status, outputs: made } as const;
  return afterBuild(made, { at: "done", because: "resolved-built", result: done }, cx);
}

/** The cause has been said by the goal that failed. */
function failureOf({ status }: BuildFailure, resolved: StorePath, cx: GoalContext): BuildResult {
  return failureResult(cx.drvPath, {
    status,
    message: `build of resolved derivation '${resolved}' failed`,
    code: "ERR_BUILD_FAILED",
    failedDependencies: [resolved],
  });
}

/** The paths of the resolved derivation's outputs, which are those of ours, too; registered as such unless ours is impure. */
async function realised(
  result: BuildSuccess,
  { resolved, asked }: { readonly resolved: StorePath; readonly asked: "all" | ReadonlySet<OutputName> },
  cx: GoalContext,
): Promise<ReadonlyMap<OutputName, StorePath>> {
  const { store } = cx.ports;
  const drv = await cx.derivation();
  const type = derivationType(drv);
  const ours = await outputIds(cx.drvPath, cx.derivationStore);
  const theirs = await outputIds(resolved, cx.derivationStore);
  const made = new Map<OutputName, StorePath>();
  for (const name of theirs.keys()) {
    if (asked !== "all" && !asked.has(name)) continue;
    const id = ours.get(name);
    const theirId = theirs.get(name);
    if (id === undefined || theirId === undefined) throw unexpected(cx.drvPath, name, "resolve");
    const path = result.outputs.get(name) ?? (await store.queryRealisation(theirId))?.outPath;
    if (path === undefined) throw unexpected(resolved, name, "realisation");
    made.set(name, path);
    if (!isPure(type)) continue;
    const dependencies = isFixed(type) ? undefined : await dependentRealisations(drv, path, cx);
    const own = makeRealisation(id, path, dependencies);
    await store.registerRealisation(await signOwnRealisation(own, cx.settings));
  }
  return made;
}

function unexpected(drvPath: StorePath, name: OutputName, where: "resolve" | "realisation"): GoalError {
  return new GoalError(
    "ERR_GOAL_UNKNOWN_OUTPUT",
    `derivation '${drvPath}' doesn't have expected output '${name}' (derivation-goal.cc/resolvedFinished,${where})`,
  );
}
