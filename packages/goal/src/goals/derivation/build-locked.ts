import { type Derivation, derivationOptions, type OutputName, type StorePath } from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { OutputError } from "../../outputs/error.js";
import { realiseOutputs } from "../../outputs/realise.js";
import { makeBuildSpec, requireExported } from "../../plan/sandbox-spec.js";
import type { RunningBuild } from "../../ports/sandbox.js";
import type { OutputLocks } from "../../ports/store.js";
import type { GoalContext } from "../../worker/context.js";
import type { Slot } from "../../worker/slots.js";
import { failureResult, succeed } from "./result.js";
import { describeFailure, type RunEnd, runBuilder } from "./run-builder.js";
import type { At } from "./stages.js";

/** One build whose slot and locks are held. */
export interface LockedBuild {
  readonly drv: Derivation;
  readonly inputs: readonly StorePath[];
  readonly outputs: ReadonlyMap<OutputName, StorePath>;
  /** Outputs that are valid already. */
  readonly valid: ReadonlySet<StorePath>;
  readonly locks: OutputLocks;
  readonly slot: Slot;
}

/** The builder from start to registered outputs. Rows T4–D1 and buildDone. */
export async function buildLocked(build: LockedBuild, cx: GoalContext): Promise<At<"done">> {
  const { store, trees, sandbox, clock, log } = cx.ports;
  for (const path of build.outputs.values())
    if (!build.valid.has(path)) await trees.remove(store.realPathOf(path));

  const inputs = await store.queryClosure(build.inputs);
  const spec = makeBuildSpec({
    drvPath: cx.drvPath,
    drv: build.drv,
    inputs,
    scratch: build.outputs,
    graphs: await exportedGraphs(cx, build.drv, inputs),
    storeDir: store.storeDir,
    buildDir: sandbox.buildDirInside,
    cores: cx.settings.cores,
    impureEnv: cx.ports.impureEnv ?? (() => undefined),
  });

  const [startedMs, startTimeSeconds] = [clock.monotonicMs(), clock.nowSeconds()];
  const running = await sandbox.start(spec, cx.signal);
  cx.counters.start();
  let done: At<"done"> | undefined;
  try {
    cx.emit({
      type: "build-started",
      goal: cx.key,
      drvPath: cx.drvPath,
      mode: cx.mode,
      layers: running.layers,
      hostTools: running.hostTools,
    });
    const writer = await log.open(cx.drvPath);
    let end: RunEnd;
    try {
      end = await runBuilder(running, writer, cx);
      build.slot[Symbol.dispose]();
    } finally {
      await writer.close();
    }
    cx.signal.throwIfAborted();
    const times = { startTimeSeconds, stopTimeSeconds: clock.nowSeconds() };
    done = await judge({ build, running, end, times, inputs }, cx);
    return done;
  } finally {
    cx.counters.stop();
    const failed = done === undefined || !("outputs" in done.result);
    const kept = await running.close({
      keepBuildDir: failed && cx.settings.keepFailed && !cx.signal.aborted,
    });
    if (kept !== undefined) cx.emit({ type: "kept-build-dir", goal: cx.key, path: kept });
    const status = done?.result.status ?? "miscFailure";
    cx.emit({
      type: "build-finished",
      goal: cx.key,
      drvPath: cx.drvPath,
      status,
      durationMs: clock.monotonicMs() - startedMs,
    });
  }
}

interface Ended {
  readonly build: LockedBuild;
  readonly running: RunningBuild;
  readonly end: RunEnd;
  readonly times: { readonly startTimeSeconds: number; readonly stopTimeSeconds: number };
  /** Closure of the inputs. */
  readonly inputs: readonly StorePath[];
}

/** The end of the builder and what it left, as the end of the goal. */
async function judge({ build, running, end, times, inputs }: Ended, cx: GoalContext): Promise<At<"done">> {
  const failure = await describeFailure(end, running, build.drv, cx);
  if (failure !== undefined)
    return { at: "done", because: "failed", result: failureResult(cx.drvPath, { ...failure, times }) };
  try {
    await realiseOutputs({ ...build, running, inputs }, cx);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    const { status, message, hint } = error;
    return {
      at: "done",
      because: "failed",
      result: failureResult(cx.drvPath, { status, message, hint, code: "ERR_BUILD_FAILED", times }),
    };
  }
  build.locks.deleteOnRelease();
  return succeed(cx, build.drv, {
    status: "built",
    because: cx.mode === "check" ? "checked" : "built",
    times,
  });
}

async function exportedGraphs(
  cx: GoalContext,
  drv: Derivation,
  inputs: readonly StorePath[],
): Promise<ReadonlyMap<string, readonly PathInfo[]>> {
  const { store } = cx.ports;
  const graphs = new Map<string, readonly PathInfo[]>();
  const allowed = new Set(inputs);
  for (const { name, paths } of derivationOptions(cx.drvPath, drv).exportReferencesGraph) {
    requireExported(paths, allowed);
    const closure = await store.queryClosure(paths);
    const infos = await Promise.all(closure.map((path) => store.queryPathInfo(path)));
    graphs.set(
      name,
      infos.filter((info) => info !== undefined),
    );
  }
  return graphs;
}
