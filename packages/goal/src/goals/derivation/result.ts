import type { StorePath } from "@drvkit/drv-parser";
import { describeError } from "../../error.js";
import type { BuildResult, FailureStatus, SuccessStatus } from "../../result/build-result.js";
import type { OutputDifference } from "../../result/differences.js";
import type { GoalContext } from "../../worker/context.js";
import type { At, Because } from "./stages.js";
import { type OutputPaths, wantedOutputs } from "./wanted.js";

/** When a build ran. */
export interface BuildTimes {
  readonly startTimeSeconds: number;
  readonly stopTimeSeconds: number;
}

const notBuilt: BuildTimes = { startTimeSeconds: 0, stopTimeSeconds: 0 };

/** What a failure says besides its status. */
export interface Failure {
  readonly status: FailureStatus;
  readonly message: string;
  readonly code?: string | undefined;
  readonly hint?: string | undefined;
  readonly logTail?: readonly string[];
  readonly differences?: readonly OutputDifference[] | undefined;
  readonly failedDependencies?: readonly StorePath[];
  readonly times?: BuildTimes;
}

interface Success {
  readonly status: SuccessStatus;
  readonly because: Because;
  readonly times?: BuildTimes;
}

/** Whose outputs they are, and which of them are wanted. */
type Wanting = Pick<GoalContext, "drvPath" | "wanted">;

/** Nothing has to be done. Row H4. */
export function alreadyValid(cx: Wanting, { paths }: { readonly paths: OutputPaths }): At<"done"> {
  return succeed(cx, paths, { status: "alreadyValid", because: "already-valid" });
}

/** The good end: the wanted ones of the outputs and where they are. */
export function succeed(cx: Wanting, of: OutputPaths, how: Success): At<"done"> {
  const outputs = wantedOutputs(cx, of);
  const timesBuilt = how.times === undefined ? 0 : 1;
  const result: BuildResult = {
    drvPath: cx.drvPath,
    status: how.status,
    timesBuilt,
    ...(how.times ?? notBuilt),
    outputs,
  };
  return { at: "done", because: how.because, result };
}

/** The bad end. */
export function fail(cx: GoalContext, because: Because, failure: Failure): At<"done"> {
  return { at: "done", because, result: failureResult(cx.drvPath, failure) };
}

export function failureResult(drvPath: StorePath, failure: Failure): BuildResult {
  return {
    drvPath,
    status: failure.status,
    timesBuilt: failure.times === undefined ? 0 : 1,
    ...(failure.times ?? notBuilt),
    errorMessage: failure.message,
    ...(failure.code === undefined ? {} : { errorCode: failure.code }),
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    ...(failure.logTail === undefined ? {} : { logTail: failure.logTail }),
    ...(failure.differences === undefined ? {} : { differences: failure.differences }),
    ...(failure.failedDependencies === undefined ? {} : { failedDependencies: failure.failedDependencies }),
  };
}

/** Failure from whatever was thrown: one goal's `miscFailure`, its code and hint kept. `ran`: of the build, if there was one. */
export function miscFailure(
  drvPath: StorePath,
  error: unknown,
  ran: Pick<Failure, "times" | "logTail"> = {},
): BuildResult {
  return failureResult(drvPath, { ...ran, status: "miscFailure", ...describeError(error) });
}
