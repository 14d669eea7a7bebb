import { baseNameOf, compareText, EngineError, type StorePath } from "@drvkit/drv-parser";
import type { BuildFailure, BuildResult } from "./result/build-result.js";
import { isCancelled } from "./result/cancelled.js";
import { isSuccess } from "./result/exit-status.js";
import { type GoalRequest, type RunOptions, runGoals } from "./run-goals.js";

/** What a run that failed comes to as one error. */
export class BuildPathsError extends EngineError {
  constructor(
    message: string,
    options: { readonly code: string; readonly hint?: string | undefined },
    /** Of a process that ends because of it: 100 and so on, as in Nix. */
    readonly exitStatus: number,
    /** One per request, in their order. */
    readonly results: readonly BuildResult[],
  ) {
    super(options.code, message, options.hint === undefined ? {} : { hint: options.hint });
    this.name = "BuildPathsError";
  }
}

/**
 * {@link runGoals} for whoever wants one error and not results. What it does not say is told as `message` events.
 *
 * @throws {@link BuildPathsError}: the failure itself when there is one, else `build of … failed`; its code is
 *   `ERR_BUILD_FAILED`, or that of the one failure; `ERR_BUILD_CANCELLED` when the signal ended it.
 * @see Nix: src/libstore/build/entry-points.cc, `buildPaths`
 */
export async function buildPaths(
  requests: readonly GoalRequest[],
  options: RunOptions,
): Promise<readonly BuildResult[]> {
  const { results, exitStatus } = await runGoals(requests, options);
  const cancelled =
    options.signal?.aborted === true ? results.filter(isFailure).find(isCancelled) : undefined;
  const assembled = cancelled === undefined ? assembleFailure(requests, results) : asItself(cancelled);
  if (assembled === undefined) return results;
  const { message, code, hint, alsoSaid } = assembled;
  for (const text of alsoSaid) options.emit?.({ type: "message", level: "error", text, atMs: 0 });
  throw new BuildPathsError(message, { code, hint }, exitStatus, results);
}

/** One error for all failures, and what is said before it. */
interface Assembled {
  readonly message: string;
  readonly code: string;
  readonly hint?: string | undefined;
  readonly alsoSaid: readonly string[];
}

/**
 * Failures as one error. What was cancelled because another one failed is no failure; a path that nobody has carries no
 * error of its own.
 */
export function assembleFailure(
  requests: readonly GoalRequest[],
  results: readonly BuildResult[],
): Assembled | undefined {
  const failures = new Map<StorePath, BuildFailure>();
  const stored: BuildFailure[] = [];
  for (const [index, request] of requests.entries()) {
    const result = results[index];
    if (result === undefined || !isFailure(result) || isCancelled(result)) continue;
    if (failures.has(result.drvPath)) continue;
    failures.set(result.drvPath, result);
    if ("drvPath" in request) stored.push(result);
  }
  const [only, another] = stored;
  if (failures.size === 0) return undefined;
  if (failures.size === 1 && only !== undefined) return asItself(only);
  const list = [...failures.keys()].sort((a, b) => compareText(baseNameOf(a), baseNameOf(b)));
  const [first] = failures.values();
  return {
    message: `build of ${list.map((path) => `'${path}'`).join(", ")} failed`,
    code: "ERR_BUILD_FAILED",
    hint: failures.size === 1 && another === undefined ? first?.errorMessage : undefined,
    // The first one that was remembered is said last.
    alsoSaid: [...stored.slice(1), ...stored.slice(0, 1)].map(({ errorMessage }) => errorMessage),
  };
}

function asItself({
  errorMessage: message,
  errorCode: code = "ERR_BUILD_FAILED",
  hint,
}: BuildFailure): Assembled {
  return { message, code, hint, alsoSaid: [] };
}

function isFailure(result: BuildResult): result is BuildFailure {
  return !isSuccess(result);
}
