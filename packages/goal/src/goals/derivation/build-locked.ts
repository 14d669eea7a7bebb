import { setImmediate as breathe } from "node:timers/promises";
import type { Derivation, DerivationOptions, OutputName, StorePath } from "@drvkit/drv-parser";
import { reasonOf } from "../../error.js";
import { openLenientLog } from "../../log/lenient.js";
import { OutputError } from "../../outputs/error.js";
import { realiseOutputs } from "../../outputs/realise.js";
import type { BuildUsage, RunningBuild } from "../../ports/sandbox.js";
import type { OutputLocks } from "../../ports/store.js";
import type { GoalContext } from "../../worker/context.js";
import type { Slot } from "../../worker/slots.js";
import { keepPartialOutputs } from "./partial-outputs.js";
import { afterBuild } from "./post-build-hook.js";
import { type BuildTimes, failureResult, miscFailure, succeed } from "./result.js";
import { describeFailure, type RunEnd, runBuilder } from "./run-builder.js";
import { removeScratch, type Scratch } from "./scratch.js";
import type { At } from "./stages.js";
import { startBuild } from "./start-build.js";
import { removeInvalid } from "./validity.js";
import type { OutputPaths } from "./wanted.js";

/** One build whose slot and locks are held. */
export interface LockedBuild {
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  readonly inputs: readonly StorePath[];
  /** Where outputs are or will be, as far as that is known. */
  readonly known: OutputPaths;
  /** Outputs that are valid already; in repair mode those that are good, too. */
  readonly valid: ReadonlySet<StorePath>;
  readonly slot: Slot;
  readonly locks: OutputLocks;
}

/** The builder from start to registered outputs. Rows T4–D1 and buildDone. */
export async function buildLocked(build: LockedBuild, cx: GoalContext): Promise<At<"done">> {
  const { store, clock } = cx.ports;
  await removeInvalid(build.known, cx);
  const inputs = await store.queryClosure(build.inputs);
  const { running, scratch, startedMs, startTimeSeconds } = await startBuild(build, inputs, cx);
  const logs: Promise<void>[] = [];
  let done: At<"done"> | undefined;
  let usage: BuildUsage | undefined;
  let hasEnded = false;
  try {
    const end = await follow(running, build.slot, logs, cx);
    hasEnded = true;
    usage = running.usage();
    cx.signal.throwIfAborted();
    const times = { startTimeSeconds, stopTimeSeconds: clock.nowSeconds() };
    done = await judge({ build, running, scratch, end, times, inputs }, cx);
    return done;
  } finally {
    if (hasEnded && !isBuilt(done)) await keepPartial({ ...build, running, scratch }, cx);
    const closing = closeBuild(running, done, cx);
    // Who waits for outputs that are registered does not wait for this.
    if (isBuilt(done)) cx.afterwards(closing);
    else await closing;
    // But for this: with the locks goes the right to the paths.
    if (running.isolation === "none") await removeWritten(scratch, cx);
    await Promise.all(logs);
    cx.emit({
      type: "build-finished",
      goal: cx.key,
      drvPath: cx.drvPath,
      status: done?.result.status ?? "miscFailure",
      durationMs: clock.monotonicMs() - startedMs,
      ...(usage === undefined ? {} : { usage }),
    });
  }
}

/** The builder to its end; then the slot is free, whatever remains to be done with the outputs. */
async function follow(
  running: RunningBuild,
  slot: Slot,
  logs: Promise<void>[],
  cx: GoalContext,
): Promise<RunEnd> {
  cx.counters.start();
  cx.emit({
    type: "build-started",
    goal: cx.key,
    drvPath: cx.drvPath,
    mode: cx.mode,
    machine: "",
    isolation: running.isolation,
    layers: running.layers,
    hostTools: running.hostTools,
  });
  try {
    const warn = (text: string) => cx.emit({ type: "message", goal: cx.key, level: "warn", text });
    const log = await openLenientLog(cx.ports.log, cx.drvPath, warn);
    try {
      return await runBuilder(running, log, cx);
    } finally {
      slot[Symbol.dispose]();
      logs.push(breathe().then(() => log.close())); // completed while the outputs are looked at
    }
  } finally {
    cx.counters.stop();
  }
}

/** What could not be tidied up is reported and does not change how the build ended. */
async function warnIfFails<Value>(
  what: string,
  act: () => Promise<Value>,
  cx: GoalContext,
): Promise<Value | undefined> {
  try {
    return await act();
  } catch (error) {
    const reason = reasonOf(error);
    cx.emit({ type: "message", goal: cx.key, level: "warn", text: `${what} of '${cx.drvPath}': ${reason}` });
    return undefined;
  }
}

/** A builder that is not isolated wrote into the store's directory: what of it is not valid now is nothing. */
async function removeWritten(scratch: Scratch, cx: GoalContext): Promise<void> {
  await warnIfFails("cannot remove what the builder wrote", () => removeScratch(scratch, cx), cx);
}

async function keepPartial(failed: Parameters<typeof keepPartialOutputs>[0], cx: GoalContext): Promise<void> {
  await warnIfFails("cannot keep the outputs", () => keepPartialOutputs(failed, cx), cx);
}

async function closeBuild(
  running: RunningBuild,
  done: At<"done"> | undefined,
  cx: GoalContext,
): Promise<void> {
  const close = () => running.close({ keepBuildDir: !isBuilt(done) && cx.settings.keepFailed });
  const kept = await warnIfFails("cannot remove the build directory", close, cx);
  if (kept !== undefined) cx.emit({ type: "kept-build-dir", goal: cx.key, path: kept });
}

function isBuilt(done: At<"done"> | undefined): boolean {
  return done !== undefined && "outputs" in done.result;
}

interface Ended {
  readonly build: LockedBuild;
  readonly running: RunningBuild;
  /** Where the builder wrote each output. */
  readonly scratch: Scratch;
  readonly end: RunEnd;
  readonly times: BuildTimes;
  /** Closure of the inputs. */
  readonly inputs: readonly StorePath[];
}

/** The end of the builder and what it left, as the end of the goal. */
async function judge(
  { build, running, scratch, end, times, inputs }: Ended,
  cx: GoalContext,
): Promise<At<"done">> {
  const failure = await describeFailure(end, running, build.drv, cx);
  if (failure !== undefined)
    return { at: "done", because: "failed", result: failureResult(cx.drvPath, { ...failure, times }) };
  let made: ReadonlyMap<OutputName, StorePath>;
  try {
    made = await realiseOutputs({ ...build, running, scratch, inputs }, cx);
  } catch (error) {
    cx.signal.throwIfAborted();
    return refuseOutputs(error, { times, logTail: end.tail }, cx);
  }
  build.locks.deleteOnRelease();
  const because = cx.mode === "check" ? "checked" : "built";
  const done = { ...succeed(cx, made, { status: "built", because, times }), made };
  return afterBuild(cx.mode === "check" ? build.known : made, done, cx);
}

/** The builder ended well, and its outputs are refused or could not be taken over. */
function refuseOutputs(
  error: unknown,
  ran: { readonly times: BuildTimes; readonly logTail: readonly string[] },
  cx: GoalContext,
): At<"done"> {
  if (!(error instanceof OutputError))
    return { at: "done", because: "error", result: miscFailure(cx.drvPath, error, ran) };
  const { status, message, hint, differences } = error;
  const failure = { ...ran, status, message, hint, differences, code: "ERR_BUILD_FAILED" };
  return { at: "done", because: "failed", result: failureResult(cx.drvPath, failure) };
}
