import type { StorePath } from "@drvkit/drv-parser";
import type { Event } from "./event.js";
import { eventVersion } from "./event.js";
import { failureResult } from "./goals/derivation/result.js";
import type { BuildResult } from "./result/build-result.js";
import { failureStatus, isSuccess, type RunFlags } from "./result/exit-status.js";
import type { SubstitutionResult } from "./result/substitution-result.js";
import type { BuildMode, WorkerSettings } from "./settings.js";
import type { InputRequest, Ports, WaiteeResults, Waitees } from "./worker/context.js";
import { Run } from "./worker/run.js";
import { Worker } from "./worker/worker.js";

/** Something to make valid: outputs of a derivation, or a path as it is. */
export type GoalRequest = InputRequest | { readonly path: StorePath };

/** How a run is told and ended. */
export interface WatchOptions {
  readonly signal?: AbortSignal;
  readonly emit?: (event: Event) => void;
}

/** What goals work with. */
export interface WorkerOptions {
  readonly ports: Ports;
  readonly settings: WorkerSettings;
  /** `check` applies to the requests themselves, never to their inputs; `repair` to these as well. */
  readonly mode?: BuildMode;
}

export interface RunOptions extends WorkerOptions, WatchOptions {}

/** What a run came to. */
export interface RunOutcome {
  /** One per request, in their order. */
  readonly results: readonly BuildResult[];
  readonly exitStatus: number;
}

/** Goals for several runs at a time: what two of them need is done once, and goes on as long as one needs it. */
export interface GoalWorker {
  /** As {@link runGoals}. A run that needs what is under way is told first how far that is. */
  run(requests: readonly GoalRequest[], options?: WatchOptions): Promise<RunOutcome>;
}

/**
 * Makes everything that is asked for valid. The outcome is a value: failures are results, and so is an abort.
 * When the promise resolves every builder is dead and every lock released, except those that another run needs.
 */
export function runGoals(requests: readonly GoalRequest[], options: RunOptions): Promise<RunOutcome> {
  return makeWorker(options).run(requests, options);
}

/** A worker for several runs. It keeps what it learnt of substituters and of contents: let it go when nothing runs. */
export function makeWorker({ ports, settings, mode = "normal" }: WorkerOptions): GoalWorker {
  const worker = new Worker({ ports, settings });
  return {
    async run(requests, { signal = new AbortController().signal, emit = () => undefined } = {}) {
      const run = new Run(emit, ports.clock);
      run.emit({ type: "run-started", version: eventVersion, targets: requests.map(printRequest) });
      const ended = await worker.work(waiteesOf(requests, mode), run, signal);
      const outcome = outcomeOf(requests, ended, { flags: run.flags, isAborted: signal.aborted });
      run.emit({ type: "run-finished", exitStatus: outcome.exitStatus });
      run.end();
      return outcome;
    },
  };
}

function waiteesOf(requests: readonly GoalRequest[], mode: BuildMode): Waitees {
  return {
    derivations: requests.filter((request) => "drvPath" in request),
    paths: requests
      .filter((request) => "path" in request)
      .map(({ path }) => ({ path, repair: mode === "repair" })),
    mode,
  };
}

function outcomeOf(
  requests: readonly GoalRequest[],
  ended: WaiteeResults,
  { flags, isAborted }: { readonly flags: RunFlags; readonly isAborted: boolean },
): RunOutcome {
  const interrupted = isAborted && [...ended.derivations, ...ended.paths].includes(undefined);
  const [derivations, paths] = [ended.derivations.values(), ended.paths.values()];
  const results = requests.map((request) => {
    if ("drvPath" in request) return derivations.next().value ?? cancelled(request.drvPath, interrupted);
    const result = paths.next().value;
    return result === undefined ? cancelled(request.path, interrupted) : asBuildResult(result);
  });
  const exitStatus = results.every(isSuccess) ? 0 : interrupted ? 1 : failureStatus(flags);
  return { results, exitStatus };
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
