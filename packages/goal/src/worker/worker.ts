import { compareText } from "@drvkit/drv-parser";
import type { Event } from "../event.js";
import { runDerivationGoal } from "../goals/derivation/run.js";
import type { BuildResult } from "../result/build-result.js";
import { flag, isSuccess, noFlags, type RunFlags } from "../result/exit-status.js";
import type { SubstitutionResult } from "../result/substitution-result.js";
import type { BuildMode, WorkerSettings } from "../settings.js";
import { Contents } from "./contents.js";
import type {
  EventBody,
  GoalContext,
  InputRequest,
  PathRequest,
  Ports,
  SubstitutionContext,
  WaiteeResults,
  Waitees,
} from "./context.js";
import { Counters } from "./counters.js";
import { DerivationCache } from "./derivation-cache.js";
import { type GoalKey, makeDerivationGoalKey, makePathGoalKey } from "./goal-key.js";
import { collect, type Goal, type GoalResult, leave } from "./goals.js";
import { Passes } from "./passes.js";
import { Slots } from "./slots.js";
import { Substituters } from "./substituters.js";
import { WantedOutputs } from "./wanted.js";

/** What a worker runs with. */
export interface WorkerOptions {
  readonly ports: Ports;
  readonly settings: WorkerSettings;
  readonly emit: (event: Event) => void;
}

/** The goal of a derivation: what is wanted of it may grow. */
interface DerivationGoal extends Goal<BuildResult> {
  readonly wanted: WantedOutputs;
}

/** Runs goals: one per derivation and one per path, in key order, with a limited number at a time. */
export class Worker {
  readonly flags: RunFlags = noFlags();
  readonly substituters: Substituters;
  readonly #contents: Contents;
  readonly #derivationGoals = new Map<GoalKey, DerivationGoal>();
  readonly #pathGoals = new Map<GoalKey, Goal<SubstitutionResult>>();
  /** Builds that failed in this run: whoever asks for them later is told, nothing is built twice. */
  readonly #failed = new Map<GoalKey, BuildResult>();
  readonly #passes = new Passes();
  readonly #slots: Readonly<Record<"build" | "substitution", Slots>>;
  readonly #builds: Counters;
  readonly #substitutions: Counters;
  readonly #derivations: DerivationCache;
  readonly #startedMs: number;

  constructor(private readonly options: WorkerOptions) {
    const { ports, settings } = options;
    this.#slots = {
      build: this.#pool("build", settings.maxJobs),
      substitution: this.#pool("substitution", settings.maxSubstitutionJobs),
    };
    this.#derivations = new DerivationCache((drvPath) => ports.store.readDerivation(drvPath));
    this.#startedMs = ports.clock.monotonicMs();
    const progress = () =>
      this.emit({
        type: "progress",
        builds: this.#builds.figures,
        substitutions: this.#substitutions.figures,
      });
    this.#builds = new Counters(progress);
    this.#substitutions = new Counters(progress);
    this.#contents = new Contents(ports, (level, text) => this.emit({ type: "message", level, text }));
    this.substituters = new Substituters(options, (text) =>
      this.emit({ type: "message", level: "warn", text }),
    );
  }

  emit(body: EventBody): void {
    this.options.emit({ ...body, atMs: this.options.ports.clock.monotonicMs() - this.#startedMs } as Event);
  }

  /**
   * Waits for outputs of derivations and for paths; results are in the order given. Without keep-going the first failure
   * ends the waiting, and so does the signal: what nobody else waits for is aborted, and its result is `undefined`.
   */
  async waitFor(
    { derivations = [], paths = [], mode = "normal" }: Waitees,
    signal: AbortSignal,
  ): Promise<WaiteeResults> {
    if (signal.aborted)
      return { derivations: derivations.map(() => undefined), paths: paths.map(() => undefined) };
    const built = derivations.map((request) => this.#joinDerivation(request, mode));
    const obtained = paths.map((request) => this.#joinPath(request));
    const goals: readonly Goal<GoalResult>[] = [...built, ...obtained];
    try {
      const results = await collect(goals, this.options.settings.keepGoing, signal);
      return {
        derivations: results.slice(0, built.length) as WaiteeResults["derivations"],
        paths: results.slice(built.length) as WaiteeResults["paths"],
      };
    } finally {
      for (const goal of goals) leave(goal);
    }
  }

  /** Waits until every goal that was aborted has cleaned up. */
  async settle(): Promise<void> {
    const open = () => [...this.#derivationGoals.values(), ...this.#pathGoals.values()];
    for (let goals = open(); goals.length > 0; goals = open())
      await Promise.allSettled(goals.map(({ ended }) => ended));
  }

  #pool(pool: "build" | "substitution", size: number): Slots {
    return new Slots(Math.max(1, size), this.#passes, (goal, change) =>
      this.emit({ type: "slot", goal, pool, change }),
    );
  }

  /** The goal of this derivation, new or under way, with one more waiter. */
  #joinDerivation({ drvPath, outputs }: InputRequest, mode: BuildMode): DerivationGoal {
    const key = makeDerivationGoalKey(drvPath);
    const found = this.#derivationGoals.get(key);
    if (found !== undefined && !found.controller.signal.aborted) {
      found.wanted.add(outputs);
      found.waiters += 1;
      return found;
    }
    const wanted = new WantedOutputs(outputs);
    const controller = new AbortController();
    const failed = this.#failed.get(key);
    if (failed !== undefined) return { key, wanted, controller, waiters: 1, ended: Promise.resolve(failed) };
    const cx = this.#derivationContext({ key, drvPath, wanted, mode, signal: controller.signal });
    this.emit({ type: "goal-created", goal: key, drvPath, wanted: wanted.names() });
    const ended = this.#run(this.#derivationGoals, cx, found?.ended, async () => {
      const result = await runDerivationGoal(cx);
      flag(this.flags, result.status);
      if (!isSuccess(result) && result.timesBuilt > 0) this.#failed.set(key, result);
      this.emit({ type: "goal-done", goal: key, result });
      return result;
    });
    const goal: DerivationGoal = { key, wanted, controller, waiters: 1, ended };
    this.#derivationGoals.set(key, goal);
    return goal;
  }

  /** The goal of this path, new or under way, with one more waiter; what the first request knew of it counts. */
  #joinPath({ path, ca, repair = false }: PathRequest): Goal<SubstitutionResult> {
    const key = makePathGoalKey(path);
    const found = this.#pathGoals.get(key);
    if (found !== undefined && !found.controller.signal.aborted) {
      found.waiters += 1;
      return found;
    }
    const controller = new AbortController();
    const cx = this.#pathContext({ key, path, ca, repair, signal: controller.signal });
    this.emit({ type: "substitution-created", goal: key, path });
    const ended = this.#run(this.#pathGoals, cx, found?.ended, async () => {
      const { runPathSubstitution } = await import("../goals/substitution/path.js"); // most runs need none
      const result = await runPathSubstitution(cx);
      this.emit({ type: "substitution-done", goal: key, result });
      return result;
    });
    const goal: Goal<SubstitutionResult> = { key, controller, waiters: 1, ended };
    this.#pathGoals.set(key, goal);
    return goal;
  }

  /** `before` is an aborted goal of the same key: it cleans up first. */
  async #run<Result extends GoalResult>(
    goals: Map<GoalKey, Goal<Result>>,
    { key, signal }: Pick<GoalContext, "key" | "signal">,
    before: Promise<Result | undefined> | undefined,
    run: () => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      await before;
      return await run();
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    } finally {
      this.#passes.leave(key);
      if (goals.get(key)?.controller.signal === signal) goals.delete(key);
    }
  }

  #derivationContext(goal: Pick<GoalContext, "key" | "drvPath" | "wanted" | "mode" | "signal">): GoalContext {
    return {
      ...goal,
      ...this.#common(goal, "build"),
      name: `building of '${goal.drvPath}!${printSelection(goal.wanted)}' from .drv file`,
      counters: this.#builds,
      derivation: () => this.#derivations.get(goal.drvPath),
    };
  }

  #pathContext(
    goal: Pick<SubstitutionContext, "key" | "path" | "ca" | "repair" | "signal">,
  ): SubstitutionContext {
    return {
      ...goal,
      ...this.#common(goal, "substitution"),
      name: `substitution of '${goal.path}'`,
      counters: this.#substitutions,
    };
  }

  #common({ key, signal }: Pick<GoalContext, "key" | "signal">, pool: "build" | "substitution") {
    const { ports, settings } = this.options;
    const passes = this.#passes;
    const emit = (body: EventBody) => this.emit(body);
    /** Waits outside of turns and comes back with one. */
    const away = async <Value>(waiting: Promise<Value>): Promise<Value> => {
      passes.leave(key);
      const value = await waiting;
      await passes.turn(key);
      return value;
    };
    return {
      ports,
      settings,
      substituters: this.substituters,
      contents: this.#contents,
      emit,
      turn: () => passes.turn(key),
      leaveTurn: () => passes.leave(key),
      away,
      waitFor: async (waitees: Waitees): Promise<WaiteeResults> => {
        const keys = keysOf(waitees);
        if (keys.length === 0) return { derivations: [], paths: [] };
        emit({ type: "goal-waits", goal: key, for: keys });
        const results = await away(this.waitFor(waitees, signal));
        signal.throwIfAborted();
        return results;
      },
      slot: async () => {
        const slot = await away(this.#slots[pool].acquire(key, signal));
        if (signal.aborted) slot[Symbol.dispose]();
        signal.throwIfAborted();
        return slot;
      },
      sleep: async (ms: number) => {
        await away(sleep(ms, ports, signal));
        signal.throwIfAborted();
      },
    };
  }
}

function keysOf({ derivations = [], paths = [] }: Waitees): readonly GoalKey[] {
  return [
    ...derivations.map(({ drvPath }) => makeDerivationGoalKey(drvPath)),
    ...paths.map(({ path }) => makePathGoalKey(path)),
  ];
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
