import type { ExitStatus } from "../../ports/sandbox.js";
import type { GoalContext } from "../../worker/context.js";

/**
 * What is said of a builder, or a hook, that did not end well.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `buildDone`
 */
export function failureMessage(
  { status, tail }: { readonly status: ExitStatus; readonly tail: readonly string[] },
  cx: Pick<GoalContext, "drvPath">,
  diskFull = false,
): string {
  const last =
    tail.length === 0
      ? ""
      : `;\nlast ${tail.length} log lines:\n${tail.map((line) => `> ${line}\n`).join("")}For full logs, run 'drv log ${cx.drvPath}'.`;
  const note = diskFull ? "\nnote: build failure may have been caused by lack of free disk space" : "";
  return `builder for '${cx.drvPath}' ${printExitStatus(status)}${last}${note}`;
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

/** `failed with exit code 1` and the like, in the words of Nix. */
export function printExitStatus(status: ExitStatus): string {
  if (status.kind === "exited") return `failed with exit code ${status.code}`;
  return `failed due to signal ${status.signal} (${signalNames[status.signal] ?? "Unknown signal"})`;
}
