import {
  type BasicDerivation,
  type Derivation,
  derivationType,
  isSandboxed,
  type OutputName,
  type StorePath,
} from "@drvkit/drv-parser";
import { GoalError } from "../../error.js";
import { openLenientLog } from "../../log/lenient.js";
import type { LogMessage } from "../../log/messages.js";
import type { HookBuild, HookReply } from "../../ports/build-hook.js";
import type { ExitStatus } from "../../ports/sandbox.js";
import type { OutputLocks } from "../../ports/store.js";
import type { FailureStatus } from "../../result/build-result.js";
import type { GoalContext } from "../../worker/context.js";
import { failureMessage } from "./failure-message.js";
import { followHook } from "./hook-messages.js";
import { HookOutput } from "./hook-output.js";
import { afterBuild } from "./post-build-hook.js";
import { fail, miscFailure, succeed } from "./result.js";
import type { At } from "./stages.js";
import { queryOutputs, removeInvalid } from "./validity.js";
import type { OutputPaths } from "./wanted.js";

/** A build that the hook has accepted, whose locks are held. */
export interface ElsewhereBuild {
  readonly accepted: Extract<HookReply, { readonly reply: "accept" }>;
  readonly drv: Derivation;
  readonly inputs: readonly StorePath[];
  readonly known: OutputPaths;
  readonly valid: ReadonlySet<StorePath>;
  /** What is locked. */
  readonly targets: readonly StorePath[];
  readonly locks: OutputLocks;
}

/** How a hook ended. */
interface HookEnd {
  readonly status: ExitStatus;
  readonly tail: readonly string[];
  /** We ended it for this reason. */
  readonly stopped: string | undefined;
}

/** From an accepted question to outputs that are valid. Rows T5, D1. */
export async function buildElsewhere(build: ElsewhereBuild, cx: GoalContext): Promise<At<"done">> {
  const { clock, store } = cx.ports;
  const inputs = await store.queryClosure(build.inputs);
  await removeInvalid(build.known, cx);
  const [startedMs, startTimeSeconds] = [clock.monotonicMs(), clock.nowSeconds()];
  const { machine } = build.accepted;
  const { key: goal, drvPath, mode } = cx;
  cx.counters.start();
  cx.emit({
    type: "build-started",
    goal,
    drvPath,
    mode,
    machine,
    isolation: "sandbox",
    layers: [],
    hostTools: false,
  });
  let done: At<"done"> | undefined;
  try {
    const end = await runHook(build, inputs, cx).finally(() => cx.counters.stop());
    cx.throwIfAborted();
    const times = { startTimeSeconds, stopTimeSeconds: clock.nowSeconds() };
    done = isGood(end)
      ? await takeOver(build, times, cx)
      : fail(cx, "failed", { ...failureOf(end, build.drv, cx), times });
    return done;
  } finally {
    const status = done?.result.status ?? "miscFailure";
    const durationMs = clock.monotonicMs() - startedMs;
    cx.emit({ type: "build-finished", goal, drvPath, status, durationMs });
  }
}

async function runHook(
  { accepted, drv, known, valid, targets }: ElsewhereBuild,
  inputs: readonly StorePath[],
  cx: GoalContext,
): Promise<HookEnd> {
  const { ports, drvPath } = cx;
  const warn = (text: string) => cx.emit({ type: "message", goal: cx.key, level: "warn", text });
  await using output = new HookOutput(await openLenientLog(ports.log, drvPath, warn), cx);
  const { signal } = output;
  const request: HookBuild = {
    drvPath,
    derivation: asBasic(drv, inputs),
    inputs,
    outputs: missingOutputs(known, valid),
    signal,
    write: (bytes) => output.write(bytes),
    tell: (message: LogMessage) => {
      const bytes = followHook(message, cx);
      if (bytes !== undefined) void output.write(bytes);
    },
    add: (info, archive) =>
      ports.store.addFromArchive(info, archive, { signal, isLocked: targets.includes(info.path) }),
  };
  try {
    cx.leaveTurn();
    const status = await accepted.build(request);
    return { status, ...(await output.end()) };
  } catch (error) {
    const end = await output.end();
    if (end.stopped === undefined) throw error;
    return { status: { kind: "signalled", signal: 9 }, ...end };
  }
}

function asBasic({ dynamicInputs: _, ...drv }: Derivation, inputs: readonly StorePath[]): BasicDerivation {
  return { ...drv, inputDrvs: new Map<StorePath, never>(), inputSrcs: new Set(inputs) };
}

function missingOutputs(known: OutputPaths, valid: ReadonlySet<StorePath>): readonly OutputName[] {
  return [...known].filter(([, path]) => path === undefined || !valid.has(path)).map(([name]) => name);
}

function isGood({ status, stopped }: HookEnd): boolean {
  return stopped === undefined && status.kind === "exited" && status.code === 0;
}

/** What the hook says it has made, as the store has it. */
async function takeOver(
  { drv, locks }: ElsewhereBuild,
  times: { readonly startTimeSeconds: number; readonly stopTimeSeconds: number },
  cx: GoalContext,
): Promise<At<"done">> {
  const { paths, allValid } = await queryOutputs(drv, cx);
  if (!allValid) {
    const error = new GoalError("ERR_HOOK_OUTPUTS", "some outputs are unexpectedly invalid", {
      hint: `the build hook said that it has built '${cx.drvPath}', and brought back less`,
    });
    return { at: "done", because: "error", result: miscFailure(cx.drvPath, error, { times }) };
  }
  locks.deleteOnRelease();
  return afterBuild(paths, succeed(cx, paths, { status: "built", because: "built", times }), cx);
}

/** @see Nix: src/libstore/build/derivation-goal.cc, `buildDone` */
function failureOf(end: HookEnd, drv: Derivation, cx: GoalContext) {
  const { status, stopped, tail: logTail } = end;
  const said = { code: "ERR_BUILD_FAILED", logTail };
  if (stopped !== undefined) return { ...said, status: "logLimitExceeded", message: stopped } as const;
  return { ...said, status: statusOf(status, drv), message: failureMessage(end, cx) };
}

function statusOf(status: ExitStatus, drv: Derivation): FailureStatus {
  if (status.kind === "exited" && status.code === 101) return "timedOut";
  if (status.kind !== "exited" || status.code !== 100) return "miscFailure";
  return isSandboxed(derivationType(drv)) ? "permanentFailure" : "transientFailure";
}
