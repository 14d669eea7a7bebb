import { type Derivation, derivationType, isSandboxed } from "@drvkit/drv-parser";
import { readBuilderLine } from "../../log/json-messages.js";
import { Lines } from "../../log/lines.js";
import { Tail } from "../../log/tail.js";
import type { LogWriter } from "../../ports/log.js";
import type { ExitStatus, RunningBuild } from "../../ports/sandbox.js";
import type { GoalContext } from "../../worker/context.js";
import { Deadlines } from "./deadlines.js";
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
  const { settings } = cx;
  const tail = new Tail(settings.logLines);
  const lines = new Lines((line) => followLine(line, tail, cx));
  let stopped: Stopped | undefined;
  const stop = (why: Stopped) => {
    stopped ??= why;
    running.kill();
  };
  const deadlines = new Deadlines(cx.ports.clock, settings, (message) =>
    stop({ status: "timedOut", message: `${cx.name} ${message}` }),
  );
  const onAbort = () => running.kill();
  cx.signal.addEventListener("abort", onAbort, { once: true });
  if (cx.signal.aborted) onAbort();

  try {
    let size = 0;
    let status: ExitStatus | undefined;
    for await (const event of running) {
      if (event.type === "exit") status = event.status;
      else if (event.type === "eof") running.kill();
      else if (stopped === undefined) {
        deadlines.heard();
        size += event.bytes.length;
        const limit = settings.maxBuildLogSizeBytes;
        if (limit > 0 && size > limit)
          stop({
            status: "logLimitExceeded",
            message: `${cx.name} killed after writing more than ${limit} bytes of log output`,
          });
        else {
          lines.write(event.bytes);
          await log.write(event.bytes);
        }
      }
    }
    lines.end();
    return { status: status ?? { kind: "signalled", signal: 9 }, stopped, tail: tail.lines() };
  } finally {
    deadlines.stop();
    cx.signal.removeEventListener("abort", onAbort);
  }
}

function followLine(line: string, tail: Tail, cx: GoalContext): void {
  const read = readBuilderLine(line);
  if (read.type === "swallowed") return;
  if (read.type === "phase") {
    cx.emit({ type: "build-phase", goal: cx.key, phase: read.phase });
    return;
  }
  if (read.type === "malformed")
    cx.emit({
      type: "message",
      goal: cx.key,
      level: "warn",
      text: `bad JSON log message from builder: ${read.reason}`,
    });
  tail.add(line);
  cx.emit({ type: "build-line", goal: cx.key, line });
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
    trees.freeBytes(store.realPathOf(cx.drvPath)),
    trees.freeBytes(running.buildDir),
  ]);
  const diskFull = free.some((bytes) => bytes < fullDiskBytes);
  const transient = diskFull || !isSandboxed(derivationType(drv));
  return {
    status: transient ? "transientFailure" : "permanentFailure",
    message: failureMessage(end, diskFull, cx),
    code: "ERR_BUILD_FAILED",
    logTail: end.tail,
  };
}

/** @see Nix: src/libstore/build/derivation-goal.cc, `buildDone` */
function failureMessage({ status, tail }: RunEnd, diskFull: boolean, cx: GoalContext): string {
  const last =
    tail.length === 0
      ? ""
      : `;\nlast ${tail.length} log lines:\n${tail.map((line) => `> ${line}\n`).join("")}For full logs, run 'drv log ${cx.drvPath}'.`;
  const note = diskFull ? "\nnote: build failure may have been caused by lack of free disk space" : "";
  return `builder for '${cx.drvPath}' ${describeStatus(status)}${last}${note}`;
}

const signalNames: Readonly<Record<number, string>> = {
  1: "Hangup",
  2: "Interrupt",
  3: "Quit",
  4: "Illegal instruction",
  6: "Aborted",
  7: "Bus error",
  8: "Floating point exception",
  9: "Killed",
  11: "Segmentation fault",
  13: "Broken pipe",
  14: "Alarm clock",
  15: "Terminated",
  31: "Bad system call",
};

function describeStatus(status: ExitStatus): string {
  if (status.kind === "exited") return `failed with exit code ${status.code}`;
  return `failed due to signal ${status.signal} (${signalNames[status.signal] ?? "Unknown signal"})`;
}
