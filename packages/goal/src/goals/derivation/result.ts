import { type Derivation, type OutputName, outputPathsOf, type StorePath } from "@drvkit/drv-parser";
import { GoalError } from "../../error.js";
import type { BuildResult, FailureStatus, SuccessStatus } from "../../result/build-result.js";
import type { GoalContext } from "../../worker/context.js";
import type { At, Because } from "./stages.js";

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
  readonly failedDependencies?: readonly StorePath[];
  readonly times?: BuildTimes;
}

interface Success {
  readonly status: SuccessStatus;
  readonly because: Because;
  readonly times?: BuildTimes;
}

/** The good end: the wanted outputs and where they are. */
export function succeed(cx: GoalContext, drv: Derivation, how: Success): At<"done"> {
  return succeedWith(cx, outputPathsOf(drv), how);
}

/** The same, of what the outputs of a derivation are known to be. */
export function succeedWith(
  cx: GoalContext,
  known: ReadonlyMap<OutputName, StorePath | undefined>,
  how: Success,
): At<"done"> {
  const outputs = wantedOf(cx, known);
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

/** The outputs somebody wants now, and where they are. */
export function wantedOutputs(cx: GoalContext, drv: Derivation): ReadonlyMap<OutputName, StorePath> {
  return wantedOf(cx, outputPathsOf(drv));
}

function wantedOf(
  cx: GoalContext,
  known: ReadonlyMap<OutputName, StorePath | undefined>,
): ReadonlyMap<OutputName, StorePath> {
  const outputs = new Map<OutputName, StorePath>();
  for (const [name, path] of known) if (path !== undefined && cx.wanted.has(name)) outputs.set(name, path);
  return outputs;
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
    ...(failure.failedDependencies === undefined ? {} : { failedDependencies: failure.failedDependencies }),
  };
}

/** Failure from whatever was thrown: one goal's `miscFailure`, its code and hint kept. `ran`: of the build, if there was one. */
export function miscFailure(
  drvPath: StorePath,
  error: unknown,
  ran: Pick<Failure, "times" | "logTail"> = {},
): BuildResult {
  if (!(error instanceof Error))
    return failureResult(drvPath, { ...ran, status: "miscFailure", message: String(error) });
  const { code, hint } = error as { readonly code?: unknown; readonly hint?: unknown };
  return failureResult(drvPath, {
    ...ran,
    status: "miscFailure",
    message: error.message,
    code: typeof code === "string" ? code : undefined,
    hint: typeof hint === "string" ? hint : undefined,
  });
}

/** Names as Nix lists them: `'a', 'b'`. */
export function quoted(names: Iterable<string>): string {
  return [...names].map((name) => `'${name}'`).join(", ");
}

export function unknownOutputs(drvPath: StorePath, drv: Derivation, names: readonly string[]): GoalError {
  return new GoalError(
    "ERR_GOAL_UNKNOWN_OUTPUT",
    `derivation '${drvPath}' does not have wanted outputs ${quoted(names)}`,
    { hint: `it has ${quoted(drv.outputs.keys())}` },
  );
}

/** The wanted outputs of a derivation. @throws {@link GoalError} `ERR_GOAL_UNKNOWN_OUTPUT` for a name that is none. */
export function wantedPaths(cx: GoalContext, drv: Derivation): readonly StorePath[] {
  const names = cx.wanted.names();
  const unknown = names === "all" ? [] : names.filter((name) => !drv.outputs.has(name));
  if (unknown.length > 0) throw unknownOutputs(cx.drvPath, drv, unknown);
  return [...wantedOutputs(cx, drv).values()];
}
