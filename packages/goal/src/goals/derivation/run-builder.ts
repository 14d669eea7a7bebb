import { dirname } from "node:path";
import { type Derivation, derivationType, isSandboxed } from "@drvkit/drv-parser";
import type { LogWriter } from "../../ports/log.js";
import type { ExitStatus, RunningBuild } from "../../ports/sandbox.js";
import type { GoalContext } from "../../worker/context.js";
import { BuildOutput } from "./build-output.js";
import { Deadlines } from "./deadlines.js";
import { failureMessage } from "./failure-message.js";
import type { Failure } from "./result.js";

/** How a builder ended and the last it said. */
export interface RunEnd {
  readonly status: ExitStatus;
  /** We killed it for this reason. */
  readonly stopped: Stopped | undefined;
  readonly tail: readonly string[];
}

type Stopped = { readonly status: "timedOut" | "logLimitExceeded"; readonly message: string };

/** Follows a builder to its end: lines, log file, limits. Its end is that of its output; what runs on is killed. */
export async function runBuilder(running: RunningBuild, log: LogWriter, cx: GoalContext): Promise<RunEnd> {
  const output = new BuildOutput(log, cx);
  let stopped: Stopped | undefined;
  const stop = (why: Stopped) => {
    stopped ??= why;
    running.kill();
  };
  const deadlines = new Deadlines(cx.ports.clock, cx.settings, (message) =>
    stop({ status: "timedOut", message: `${cx.name} ${message}` }),
  );
  const onAbort = () => running.kill();
  cx.signal.addEventListener("abort", onAbort, { once: true });
  if (cx.signal.aborted) onAbort();

  try {
    let status: ExitStatus | undefined;
    for await (const event of running) {
      if (event.type === "exit") status = event.status;
      else if (event.type === "eof") running.kill();
      else if (stopped === undefined) {
        deadlines.heard();
        const message = await output.write(event.bytes);
        if (message !== undefined) stop({ status: "logLimitExceeded", message });
      }
    }
    return { status: status ?? { kind: "signalled", signal: 9 }, stopped, tail: output.end() };
  } finally {
    deadlines.stop();
    cx.signal.removeEventListener("abort", onAbort);
  }
}

/** Free space below which a failure may have been caused by it. */
const fullDiskBytes = 8 * 1024 * 1024;

/** The failure behind an end that is none of success; `undefined` for exit code 0. */
export async function describeFailure(
  end: RunEnd,
  running: RunningBuild,
  drv: Derivation,
  cx: GoalContext,
): Promise<Failure | undefined> {
  if (end.stopped !== undefined) return { ...end.stopped, code: "ERR_BUILD_FAILED", logTail: end.tail };
  if (end.status.kind === "exited" && end.status.code === 0) return undefined;
  const { trees, store } = cx.ports;
  const free = await Promise.all([
    trees.freeBytes(dirname(store.realPathOf(cx.drvPath))), // the store's: the derivation may be in none
    trees.freeBytes(running.buildDir),
  ]);
  const diskFull = free.some((bytes) => bytes < fullDiskBytes);
  const transient = diskFull || !isSandboxed(derivationType(drv));
  return {
    status: transient ? "transientFailure" : "permanentFailure",
    message: failureMessage(end, cx, diskFull),
    code: "ERR_BUILD_FAILED",
    logTail: end.tail,
  };
}
