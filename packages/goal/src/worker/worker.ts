import { compareText, type Derivation, type StorePath } from "@drvkit/drv-parser";
import type { Event } from "../event.js";
import { runDerivationGoal } from "../goals/derivation/run.js";
import type { BuildResult } from "../result/build-result.js";
import { flag, isSuccess, noFlags, type RunFlags } from "../result/exit-status.js";
import type { BuildMode, WorkerSettings } from "../settings.js";
import type { EventBody, GoalContext, InputRequest, Ports } from "./context.js";
import { Counters } from "./counters.js";
import { DerivationCache } from "./derivation-cache.js";
import { type GoalKey, makeDerivationGoalKey } from "./goal-key.js";
import { Passes } from "./passes.js";
import { Slots } from "./slots.js";
import { type OutputSelection, WantedOutputs } from "./wanted.js";

/** What a worker runs with. */
export interface WorkerOptions {
  readonly ports: Ports;
  readonly settings: WorkerSettings;
  readonly emit: (event: Event) => void;
}

/** A goal under way: one per key. */
interface Goal {
  readonly key: GoalKey;
  readonly wanted: WantedOutputs;
  readonly controller: AbortController;
  /** Resolves with the result; with `undefined` when nobody waited for it any more. */
  readonly ended: Promise<BuildResult | undefined>;
  waiters: number;
}

/** Reason of an abort by us: nobody waits for the goal any more. */
const unwanted = new Error("nobody waits for this goal any more");

/** Runs goals: one per derivation, in key order, with a limited number of builds at a time. */
export class Worker {
  readonly flags: RunFlags = noFlags();
  readonly #goals = new Map<GoalKey, Goal>();
  /** Builds that failed in this run: whoever asks for them later is told, nothing is built twice. */
  readonly #failed = new Map<GoalKey, BuildResult>();
  readonly #passes = new Passes();
  readonly #slots: Slots;
  readonly #counters: Counters;
  readonly #derivations: DerivationCache;
  readonly #startedMs: number;

  constructor(private readonly options: WorkerOptions) {
    const { ports, settings } = options;
    this.#slots = new Slots(Math.max(1, settings.maxJobs), this.#passes, (goal, change) =>
      this.emit({ type: "slot", goal, pool: "build", change }),
    );
    this.#derivations = new DerivationCache((drvPath) => ports.store.readDerivation(drvPath));
    this.#startedMs = ports.clock.monotonicMs();
    this.#counters = new Counters((builds) => this.emit({ type: "progress", builds }));
  }

  emit(body: EventBody): void {
    this.options.emit({ ...body, atMs: this.options.ports.clock.monotonicMs() - this.#startedMs } as Event);
  }

  /**
   * Waits for the outputs of derivations; results are in the order given. Without keep-going the first failure ends the
   * waiting, and so does the signal: what nobody else waits for is aborted, and its result is `undefined`.
   */
  async realise(
    requests: readonly InputRequest[],
    mode: BuildMode,
    signal: AbortSignal,
  ): Promise<readonly (BuildResult | undefined)[]> {
    if (signal.aborted) return requests.map(() => undefined);
    const goals = requests.map(({ drvPath, outputs }) => this.#join(drvPath, outputs, mode));
    try {
      return await this.#collect(goals, signal);
    } finally {
      for (const goal of goals) this.#leave(goal);
    }
  }

  /** Waits until every goal that was aborted has cleaned up. */
  async settle(): Promise<void> {
    while (this.#goals.size > 0)
      await Promise.allSettled([...this.#goals.values()].map(({ ended }) => ended));
  }

  #collect(goals: readonly Goal[], signal: AbortSignal): Promise<readonly (BuildResult | undefined)[]> {
    return new Promise((resolve, reject) => {
      const results: (BuildResult | undefined)[] = goals.map(() => undefined);
      let left = goals.length;
      const finish = () => {
        signal.removeEventListener("abort", finish);
        resolve([...results]); // a copy: what ends later is not part of it
      };
      if (left === 0) return finish();
      signal.addEventListener("abort", finish, { once: true });
      goals.forEach((goal, index) => {
        goal.ended.then((result) => {
          results[index] = result;
          left -= 1;
          const failed = result === undefined || !isSuccess(result);
          if (left === 0 || (failed && !this.options.settings.keepGoing)) finish();
        }, reject);
      });
    });
  }

  /** The goal of this derivation, new or under way, with one more waiter. */
  #join(drvPath: StorePath, outputs: OutputSelection, mode: BuildMode): Goal {
    const key = makeDerivationGoalKey(drvPath);
    const found = this.#goals.get(key);
    if (found !== undefined && !found.controller.signal.aborted) {
      found.wanted.add(outputs);
      found.waiters += 1;
      return found;
    }
    const wanted = new WantedOutputs(outputs);
    const controller = new AbortController();
    const failed = this.#failed.get(key);
    if (failed !== undefined) return { key, wanted, controller, waiters: 1, ended: Promise.resolve(failed) };
    const cx = this.#context({ key, drvPath, wanted, mode, signal: controller.signal });
    const goal: Goal = { key, wanted, controller, waiters: 1, ended: this.#run(cx, found?.ended) };
    this.#goals.set(key, goal);
    return goal;
  }

  /** The last waiter to leave aborts the goal. */
  #leave(goal: Goal): void {
    goal.waiters -= 1;
    if (goal.waiters === 0) goal.controller.abort(unwanted);
  }

  /** `before` is an aborted goal of the same derivation: it cleans up first. */
  async #run(
    cx: GoalContext,
    before: Promise<BuildResult | undefined> | undefined,
  ): Promise<BuildResult | undefined> {
    this.emit({ type: "goal-created", goal: cx.key, drvPath: cx.drvPath, wanted: cx.wanted.names() });
    try {
      await before;
      const result = await runDerivationGoal(cx);
      flag(this.flags, result.status);
      if (!isSuccess(result) && result.timesBuilt > 0) this.#failed.set(cx.key, result);
      this.emit({ type: "goal-done", goal: cx.key, result });
      return result;
    } catch (error) {
      if (cx.signal.aborted) return undefined;
      throw error;
    } finally {
      this.#passes.leave(cx.key);
      if (this.#goals.get(cx.key)?.controller.signal === cx.signal) this.#goals.delete(cx.key);
    }
  }

  #context(goal: Pick<GoalContext, "key" | "drvPath" | "wanted" | "mode" | "signal">): GoalContext {
    const { ports, settings } = this.options;
    const { key, drvPath, signal } = goal;
    const [passes, slots] = [this.#passes, this.#slots];
    const emit = (body: EventBody) => this.emit(body);
    return {
      ...goal,
      name: `building of '${drvPath}!${printSelection(goal.wanted)}' from .drv file`,
      ports,
      settings,
      counters: this.#counters,
      emit,
      turn: () => passes.turn(key),
      leaveTurn: () => passes.leave(key),
      derivation: (): Promise<Derivation> => this.#derivations.get(drvPath),
      realise: async (inputs) => {
        if (inputs.length === 0) return [];
        const keys = inputs.map((input) => makeDerivationGoalKey(input.drvPath));
        emit({ type: "goal-waits", goal: key, for: keys });
        const realised = this.realise(inputs, "normal", signal);
        passes.leave(key);
        const results = await realised;
        await passes.turn(key);
        signal.throwIfAborted();
        return results;
      },
      slot: async () => {
        const granted = slots.acquire(key, signal);
        passes.leave(key);
        const slot = await granted;
        await passes.turn(key);
        if (signal.aborted) slot[Symbol.dispose]();
        signal.throwIfAborted();
        return slot;
      },
      sleep: async (ms) => {
        const slept = sleep(ms, ports, signal);
        passes.leave(key);
        await slept;
        await passes.turn(key);
        signal.throwIfAborted();
      },
    };
  }
}

function printSelection(wanted: WantedOutputs): string {
  const names = wanted.names();
  return names === "all" ? "*" : [...names].sort(compareText).join(",");
}

function sleep(ms: number, ports: Ports, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = ports.clock.after(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
