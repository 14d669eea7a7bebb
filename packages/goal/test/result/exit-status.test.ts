import { describe, expect, test } from "vitest";
import type { BuildStatus } from "../../src/index.js";
import { failureStatus, flag, noFlags } from "../../src/result/exit-status.js";

function exitStatusOf(...statuses: readonly BuildStatus[]): number {
  const flags = noFlags();
  for (const status of statuses) flag(flags, status);
  return failureStatus(flags);
}

describe("the exit status of a run that failed", () => {
  test.each<{ status: BuildStatus; exit: number }>([
    { status: "permanentFailure", exit: 100 },
    { status: "inputRejected", exit: 100 },
    { status: "timedOut", exit: 101 },
    { status: "hashMismatch", exit: 102 },
    { status: "notDeterministic", exit: 104 },
    { status: "outputRejected", exit: 1 },
    { status: "transientFailure", exit: 1 },
    { status: "miscFailure", exit: 1 },
    { status: "dependencyFailed", exit: 1 },
    { status: "logLimitExceeded", exit: 1 },
    { status: "noSubstituters", exit: 1 },
  ])("A5: is $exit after $status", ({ status, exit }) => {
    expect(exitStatusOf(status)).toBe(exit);
    expect(exitStatusOf("built", status, "alreadyValid", status)).toBe(exit);
  });

  /** Every set of flags: build failure, timeout, hash mismatch, difference. */
  test.each<readonly [flags: string, exit: number]>([
    ["", 1],
    ["B", 100],
    ["T", 101],
    ["BT", 101],
    ["H", 102],
    ["BH", 102],
    ["TH", 103],
    ["BTH", 103],
    ["D", 104],
    ["BD", 108],
    ["TD", 109],
    ["BTD", 109],
    ["HD", 110],
    ["BHD", 110],
    ["THD", 111],
    ["BTHD", 111],
  ])("adds up: %s is %i (A3)", (flags, exit) => {
    const statuses: Readonly<Record<string, BuildStatus>> = {
      B: "permanentFailure",
      T: "timedOut",
      H: "hashMismatch",
      D: "notDeterministic",
    };
    expect(exitStatusOf(...[...flags].map((letter) => statuses[letter] as BuildStatus))).toBe(exit);
  });
});
