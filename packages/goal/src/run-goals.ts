import { isDerivationPath, type StorePath } from "@drvkit/drv-parser";
import type { Event } from "./event.js";
import { eventVersion } from "./event.js";
import { failureResult, miscFailure } from "./goals/derivation/result.js";
import type { StorePort } from "./ports/store.js";
import type { BuildResult } from "./result/build-result.js";
import { failureStatus, isSuccess } from "./result/exit-status.js";
import type { BuildMode, WorkerSettings } from "./settings.js";
import type { InputRequest, Ports } from "./worker/context.js";
import { Worker } from "./worker/worker.js";

/** Something to make valid: outputs of a derivation, or a path as it is. */
export type GoalRequest = InputRequest | { readonly path: StorePath };

export interface RunOptions {
  readonly ports: Ports;
  readonly settings: WorkerSettings;
  /** `check` applies to the requests themselves, never to their inputs. */
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
  const built = requests.flatMap((request) => ("drvPath" in request ? [request] : []));
  const opaque = await Promise.all(
    requests.map((request) => ("path" in request ? ensured(request.path, options.ports) : undefined)),
  );
  const realised = await realiseAll(worker, built, options.mode ?? "normal", signal);
  const interrupted = signal.aborted && realised.includes(undefined);
  const left = realised.values();
  const results = requests.map((request, index) =>
    "drvPath" in request
      ? (left.next().value ?? cancelled(request.drvPath, interrupted))
      : (opaque[index] as BuildResult),
  );
  const exitStatus = results.every(isSuccess) ? 0 : interrupted ? 1 : failureStatus(worker.flags);
  worker.emit({ type: "run-finished", exitStatus });
  return { results, exitStatus };
}

async function realiseAll(
  worker: Worker,
  requests: readonly InputRequest[],
  mode: BuildMode,
  signal: AbortSignal,
): Promise<readonly (BuildResult | undefined)[]> {
  try {
    return await worker.realise(requests, mode, signal);
  } finally {
    await worker.settle();
  }
}

/** A path as it is: valid, or nobody can build it. What the store throws is the failure of this request. */
async function ensured(path: StorePath, { store }: Ports): Promise<BuildResult> {
  try {
    return await ensure(path, store);
  } catch (error) {
    return miscFailure(path, error);
  }
}

async function ensure(path: StorePath, store: StorePort): Promise<BuildResult> {
  await store.addTempRoot(path);
  if ((await store.queryValidPaths([path])).has(path))
    return {
      drvPath: path,
      status: "alreadyValid",
      timesBuilt: 0,
      startTimeSeconds: 0,
      stopTimeSeconds: 0,
      outputs: new Map(),
    };
  return failureResult(path, {
    status: "noSubstituters",
    message: `path '${path}' is required, but there is no substituter that can build it`,
    code: "ERR_BUILD_FAILED",
    hint: isDerivationPath(path) ? "import the derivation" : "build the derivation that makes it",
  });
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
