import { compareText } from "@drvkit/drv-parser";
import { type DrvOutput, printDrvOutput } from "@drvkit/narinfo";
import type { Event, Level } from "../event.js";
import { runDerivationGoal } from "../goals/derivation/run.js";
import type { BuildResult } from "../result/build-result.js";
import { flag, isSuccess, noFlags, type RunFlags } from "../result/exit-status.js";
import type { RealisationResult } from "../result/realisation-result.js";
import type { SubstitutionResult } from "../result/substitution-result.js";
import type { BuildMode, WorkerSettings } from "../settings.js";
import { makeCommonContext, type SlotPool, type WorkerParts } from "./common-context.js";
import { Contents } from "./contents.js";
import type {
  EventBody,
  GoalContext,
  InputRequest,
  PathRequest,
  Ports,
  WaiteeResults,
  Waitees,
} from "./context.js";
import { Counters } from "./counters.js";
import { DerivationCache } from "./derivation-cache.js";
import { type GoalKey, makeDerivationGoalKey, makePathGoalKey, makeRealisationGoalKey } from "./goal-key.js";
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

/** Runs goals: one per derivation, path and realisation, in key order, with a limited number at a time. */
export class Worker {
  readonly flags: RunFlags = noFlags();
  readonly #derivationGoals = new Map<GoalKey, DerivationGoal>();
  readonly #pathGoals = new Map<GoalKey, Goal<SubstitutionResult>>();
  readonly #realisationGoals = new Map<GoalKey, Goal<RealisationResult>>();
  /** Builds that failed in this run: whoever asks for them later is told, nothing is built twice. */
  readonly #failed = new Map<GoalKey, BuildResult>();
  readonly #builds: Counters;
  readonly #substitutions: Counters;
  readonly #derivations: DerivationCache;
  readonly #parts: WorkerParts;
  readonly #startedMs: number;

  constructor(private readonly options: WorkerOptions) {
    const { ports, settings } = options;
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
    const say = (level: Level, text: string) => this.emit({ type: "message", level, text });
    const passes = new Passes();
    this.#parts = {
      ports,
      settings,
      passes,
      slots: {
        build: this.#pool("build", settings.maxJobs, passes),
        substitution: this.#pool("substitution", settings.maxSubstitutionJobs, passes),
      },
      substituters: new Substituters(options, (text) => say("warn", text)),
      contents: new Contents(ports, say),
      emit: (body) => this.emit(body),
      waitFor: (waitees, signal) => this.waitFor(waitees, signal),
    };
  }

  emit(body: EventBody): void {
    this.options.emit({ ...body, atMs: this.options.ports.clock.monotonicMs() - this.#startedMs } as Event);
  }

  /**
   * Waits for outputs of derivations and for paths; results are in the order given. Without keep-going the first failure
   * ends the waiting, and so does the signal: what nobody else waits for is aborted, and its result is `undefined`.
   */
  async waitFor(
    { derivations = [], paths = [], realisations = [], mode = "normal" }: Waitees,
    signal: AbortSignal,
  ): Promise<WaiteeResults> {
    const sorted = (results: readonly (GoalResult | undefined)[]) => {
      const [firstPath, firstRealisation] = [derivations.length, derivations.length + paths.length];
      return {
        derivations: results.slice(0, firstPath),
        paths: results.slice(firstPath, firstRealisation),
        realisations: results.slice(firstRealisation),
      } as WaiteeResults;
    };
    if (signal.aborted) return sorted([...derivations, ...paths, ...realisations].map(() => undefined));
    const goals: readonly Goal<GoalResult>[] = [
      ...derivations.map((request) => this.#joinDerivation(request, mode)),
      ...paths.map((request) => this.#joinPath(request)),
      ...realisations.map((id) => this.#joinRealisation(id)),
    ];
    try {
      return sorted(await collect(goals, this.options.settings.keepGoing, signal));
    } finally {
      for (const goal of goals) leave(goal);
    }
  }

  /** Waits until every goal that was aborted has cleaned up. */
  async settle(): Promise<void> {
    const open = () =>
      [this.#derivationGoals, this.#pathGoals, this.#realisationGoals].flatMap(
        (goals): Goal<GoalResult>[] => [...goals.values()],
      );
    for (let goals = open(); goals.length > 0; goals = open())
      await Promise.allSettled(goals.map(({ ended }) => ended));
  }

  #pool(pool: SlotPool, size: number, passes: Passes): Slots {
    return new Slots(Math.max(1, size), passes, (goal, change) =>
      this.emit({ type: "slot", goal, pool, change }),
    );
  }

  /** The goal of this derivation, new or under way, with one more waiter. */
  #joinDerivation({ drvPath, outputs }: InputRequest, mode: BuildMode): DerivationGoal {
    const key = makeDerivationGoalKey(drvPath);
    const found = join(this.#derivationGoals, key);
    if (found !== undefined) {
      found.wanted.add(outputs);
      return found;
    }
    const wanted = new WantedOutputs(outputs);
    const failed = this.#failed.get(key);
    if (failed !== undefined)
      return { key, wanted, controller: new AbortController(), waiters: 1, ended: Promise.resolve(failed) };
    this.emit({ type: "goal-created", goal: key, drvPath, wanted: wanted.names() });
    const goal = this.#start(this.#derivationGoals, key, async (signal) => {
      const result = await runDerivationGoal({
        ...makeCommonContext(this.#parts, { key, signal }, "build"),
        drvPath,
        wanted,
        mode,
        name: `building of '${drvPath}!${printSelection(wanted)}' from .drv file`,
        counters: this.#builds,
        derivation: () => this.#derivations.get(drvPath),
      });
      flag(this.flags, result.status);
      if (!isSuccess(result) && result.timesBuilt > 0) this.#failed.set(key, result);
      this.emit({ type: "goal-done", goal: key, result });
      return result;
    });
    const derivationGoal = Object.assign(goal, { wanted });
    this.#derivationGoals.set(key, derivationGoal);
    return derivationGoal;
  }

  /** The goal of this path, new or under way, with one more waiter; what the first request knew of it counts. */
  #joinPath({ path, ca, repair = false }: PathRequest): Goal<SubstitutionResult> {
    const key = makePathGoalKey(path);
    const found = join(this.#pathGoals, key);
    if (found !== undefined) return found;
    this.emit({ type: "substitution-created", goal: key, path });
    return this.#start(this.#pathGoals, key, async (signal) => {
      const { runPathSubstitution } = await import("../goals/substitution/path.js"); // most runs need none
      const common = makeCommonContext(this.#parts, { key, signal }, "substitution");
      const result = await runPathSubstitution({
        ...common,
        path,
        ca,
        repair,
        counters: this.#substitutions,
      });
      this.emit({ type: "substitution-done", goal: key, result });
      return result;
    });
  }

  /** The goal of this realisation, new or under way, with one more waiter. */
  #joinRealisation(id: DrvOutput): Goal<RealisationResult> {
    const key = makeRealisationGoalKey(id);
    const found = join(this.#realisationGoals, key);
    if (found !== undefined) return found;
    this.emit({ type: "realisation-created", goal: key, id: printDrvOutput(id) });
    return this.#start(this.#realisationGoals, key, async (signal) => {
      const { runRealisationSubstitution } = await import("../goals/realisation/run.js"); // most runs need none
      const common = makeCommonContext(this.#parts, { key, signal }, "substitution");
      const result = await runRealisationSubstitution({ ...common, id });
      this.emit({ type: "realisation-done", goal: key, result });
      return result;
    });
  }

  /** A new goal. An aborted one of the same key cleans up first. */
  #start<Result extends GoalResult>(
    goals: Map<GoalKey, Goal<Result>>,
    key: GoalKey,
    run: (signal: AbortSignal) => Promise<Result>,
  ): Goal<Result> {
    const controller = new AbortController();
    const before = goals.get(key)?.ended;
    const ended = this.#run(goals, { key, signal: controller.signal }, before, run);
    const goal = { key, controller, waiters: 1, ended };
    goals.set(key, goal);
    return goal;
  }

  async #run<Result extends GoalResult>(
    goals: Map<GoalKey, Goal<Result>>,
    { key, signal }: Pick<GoalContext, "key" | "signal">,
    before: Promise<Result | undefined> | undefined,
    run: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      await before;
      return await run(signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    } finally {
      this.#parts.passes.leave(key);
      if (goals.get(key)?.controller.signal === signal) goals.delete(key);
    }
  }
}

/** The goal of this key that is under way, with one more waiter. */
function join<SomeGoal extends Goal<GoalResult>>(
  goals: ReadonlyMap<GoalKey, SomeGoal>,
  key: GoalKey,
): SomeGoal | undefined {
  const found = goals.get(key);
  if (found === undefined || found.controller.signal.aborted) return undefined;
  found.waiters += 1;
  return found;
}

function printSelection(wanted: WantedOutputs): string {
  const names = wanted.names();
  return names === "all" ? "*" : [...names].sort(compareText).join(",");
}
