import type { StorePath } from "@drvkit/drv-parser";
import type { Event } from "./event.js";
import { eventVersion } from "./event.js";
import { failureResult } from "./goals/derivation/result.js";
import type { BuildResult } from "./result/build-result.js";
import { failureStatus, isSuccess } from "./result/exit-status.js";
import type { SubstitutionResult } from "./result/substitution-result.js";
import type { BuildMode, WorkerSettings } from "./settings.js";
import type { InputRequest, Ports, WaiteeResults, Waitees } from "./worker/context.js";
import { Worker } from "./worker/worker.js";

/** Something to make valid: outputs of a derivation, or a path as it is. */
export type GoalRequest = InputRequest | { readonly path: StorePath };

export interface RunOptions {
  readonly ports: Ports;
  readonly settings: WorkerSettings;
  /** `check` applies to the requests themselves, never to their inputs; `repair` to these as well. */
  readonly mode?: BuildMode;
  readonly signal?: AbortSignal;
  readonly emit?: (event: Event) => void;
}

/** What a run came to. */
export interface RunOutcome {
  /** One per request, in their order. */
  readonly results: readonly BuildResult[];
  readonly exitStatus: number;
}

/**
 * Makes everything that is asked for valid. The outcome is a value: failures are results, and so is an abort.
 * When the promise resolves every builder is dead and every lock released.
 */
export async function runGoals(requests: readonly GoalRequest[], options: RunOptions): Promise<RunOutcome> {
  const worker = new Worker({
    ports: options.ports,
    settings: options.settings,
    emit: options.emit ?? (() => undefined),
  });
  const signal = options.signal ?? new AbortController().signal;
  worker.emit({ type: "run-started", version: eventVersion, targets: requests.map(printRequest) });
  const mode = options.mode ?? "normal";
  const wanted = {
    derivations: requests.filter((request) => "drvPath" in request),
    paths: requests
      .filter((request) => "path" in request)
      .map(({ path }) => ({ path, repair: mode === "repair" })),
    mode,
  };
  const ended = await waitForAll(worker, wanted, signal);
  const interrupted = signal.aborted && [...ended.derivations, ...ended.paths].includes(undefined);
  const [derivations, paths] = [ended.derivations.values(), ended.paths.values()];
  const results = requests.map((request) => {
    if ("drvPath" in request) return derivations.next().value ?? cancelled(request.drvPath, interrupted);
    const result = paths.next().value;
    return result === undefined ? cancelled(request.path, interrupted) : asBuildResult(result);
  });
  const exitStatus = results.every(isSuccess) ? 0 : interrupted ? 1 : failureStatus(worker.flags);
  worker.emit({ type: "run-finished", exitStatus });
  return { results, exitStatus };
}

async function waitForAll(worker: Worker, waitees: Waitees, signal: AbortSignal): Promise<WaiteeResults> {
  try {
    return await worker.waitFor(waitees, signal);
  } finally {
    await worker.settle();
  }
}

/** A path as it is has no outputs, and nothing was built for it. */
function asBuildResult(result: SubstitutionResult): BuildResult {
  if (result.exit === "success") {
    const { path: drvPath, status } = result;
    return { drvPath, status, timesBuilt: 0, startTimeSeconds: 0, stopTimeSeconds: 0, outputs: new Map() };
  }
  const { path, status, errorMessage: message, errorCode: code, hint } = result;
  return failureResult(path, { status, message, code, hint });
}

/** No failure of its own: the run ended before it. */
function cancelled(drvPath: StorePath, interrupted: boolean): BuildResult {
  const status = "miscFailure";
  const code = "ERR_BUILD_CANCELLED";
  if (interrupted) return failureResult(drvPath, { status, code, message: "interrupted by the user" });
  return failureResult(drvPath, {
    status,
    code,
    message: `build of '${drvPath}' was cancelled because another one failed`,
    hint: "use '--keep-going' to go on after a failure",
  });
}

function printRequest(request: GoalRequest): string {
  if ("path" in request) return request.path;
  return `${request.drvPath}^${request.outputs === "all" ? "*" : [...request.outputs].join(",")}`;
}
