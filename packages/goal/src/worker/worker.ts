import { type DrvOutput, printDrvOutput } from "@drvkit/narinfo";
import { GoalError } from "../error.js";
import type { Level } from "../event.js";
import { runDerivationGoal } from "../goals/derivation/run.js";
import type { BuildResult } from "../result/build-result.js";
import type { RealisationResult, RealisationResultOf } from "../result/realisation-result.js";
import type { SubstitutionResult } from "../result/substitution-result.js";
import type { BuildMode, WorkerSettings } from "../settings.js";
import { Audience } from "./audience.js";
import { BuildHook } from "./build-hook.js";
import { Cancellation } from "./cancellation.js";
import { GoalCommon, type GoalIdentity, type WorkerParts } from "./common-context.js";
import { Contents } from "./contents.js";
import type { InputRequest, PathRequest, Ports, WaiteeResults, Waitees } from "./context.js";
import { DerivationCache } from "./derivation-cache.js";
import { DerivationContext } from "./derivation-context.js";
import { type GoalKey, makeDerivationGoalKey, makePathGoalKey, makeRealisationGoalKey } from "./goal-key.js";
import { collect, type Goal, type GoalResult, leave, type Told } from "./goals.js";
import { Passes } from "./passes.js";
import { sorted } from "./results.js";
import type { Run } from "./run.js";
import { Slots } from "./slots.js";
import { Substituters } from "./substituters.js";
import { WantedOutputs } from "./wanted.js";

/** What a worker runs with. */
export interface WorkerOptions {
  readonly ports: Ports;
  readonly settings: WorkerSettings;
}

/** The goal of a derivation: what is wanted of it may grow. */
interface DerivationGoal extends Goal<BuildResult> {
  readonly wanted: WantedOutputs;
}

/** Runs goals: one per derivation, path and realisation, in key order, with a limited number at a time. */
export class Worker {
  readonly #derivationGoals = new Map<GoalKey, DerivationGoal>();
  readonly #pathGoals = new Map<GoalKey, Goal<SubstitutionResult>>();
  readonly #realisationGoals = new Map<GoalKey, Goal<RealisationResult>>();
  /** All that have not ended, aborted ones whose place another one has taken among them. */
  readonly #open = new Map<Cancellation, Goal<GoalResult>>();
  readonly #runs = new Set<Run>();
  readonly #afterwards = new Set<Promise<void>>();
  readonly #derivations: DerivationCache;
  readonly #parts: WorkerParts;

  constructor({ ports, settings }: WorkerOptions) {
    this.#derivations = new DerivationCache((drvPath) => ports.store.readDerivation(drvPath));
    const say = (level: Level, text: string) => {
      for (const run of this.#runs) run.emit({ type: "message", level, text });
    };
    const passes = new Passes();
    this.#parts = {
      ports,
      settings,
      passes,
      slots: {
        build: new Slots(Math.max(1, settings.maxJobs), passes),
        substitution: new Slots(Math.max(1, settings.maxSubstitutionJobs), passes),
      },
      substituters: new Substituters({ ports, settings }, (text) => say("warn", text)),
      contents: new Contents(ports, say),
      buildHook: new BuildHook(ports.buildHook),
      waitFor: (waitees, goal, told) => this.#waitFor(waitees, goal, told),
      afterwards: (work) => {
        const followed = work.finally(() => this.#afterwards.delete(followed));
        this.#afterwards.add(followed);
      },
    };
  }

  /**
   * Works for a run until everything that is asked for has ended; without keep-going until the first failure; until the
   * signal. Results are in the order given, `undefined` for what had not ended by then. What nobody else waits for is
   * aborted, and has cleaned up when the promise resolves.
   */
  async work(waitees: Waitees, run: Run, signal: AbortSignal): Promise<WaiteeResults> {
    this.#runs.add(run);
    const audience = new Audience();
    audience.add(run);
    using cancellation = Cancellation.following(signal);
    try {
      return await new Promise((done, failed) =>
        this.#waitFor(waitees, { cancellation, audience }, { done, failed }),
      );
    } finally {
      run.isLeaving = true;
      await this.#settle(run);
      this.#runs.delete(run);
    }
  }

  /** Results are in the order given. Who waits is told when all have ended, or at the first failure or the abort. */
  #waitFor(
    waitees: Waitees,
    { key, cancellation, audience }: Partial<GoalIdentity> & Omit<GoalIdentity, "key">,
    told: Told<WaiteeResults>,
  ): void {
    const { derivations = [], paths = [], realisations = [], mode = "normal" } = waitees;
    const isOver = cancellation.isAborted;
    const cycle = isOver ? undefined : this.#findCycle(waitees, audience);
    if (cycle !== undefined) {
      const { message: text } = cycle;
      if (key !== undefined) audience.emit({ type: "message", goal: key, level: "error", text });
      told.failed(cycle);
      return;
    }
    const goals: readonly Goal<GoalResult>[] = isOver
      ? []
      : [
          ...derivations.map((request) => this.#joinDerivation(request, mode, audience)),
          ...paths.map((request) => this.#joinPath(request, audience)),
          ...realisations.map((id) => this.#joinRealisation(id, audience)),
        ];
    if (goals.length === 0) {
      told.done(sorted(waitees, []));
      return;
    }
    audience.waitFor(goals.map((goal) => goal.audience));
    const { passes, settings } = this.#parts;
    collect(goals, { keepGoing: settings.keepGoing, cancellation, failed: told.failed }, (results) => {
      audience.waitFor([]);
      for (const goal of goals) leave(goal);
      const tell = () => told.done(sorted(waitees, results));
      if (key === undefined) tell();
      else passes.begin(key, tell);
    });
  }

  /** What would wait for itself: others may say so of paths and realisations, never of derivations. */
  #findCycle({ paths = [], realisations = [] }: Waitees, audience: Audience): GoalError | undefined {
    const isFree = (goal: Goal<GoalResult> | undefined) =>
      !isUnderWay(goal) || audience.canWaitFor(goal.audience);
    const path = paths.find((each) => !isFree(this.#pathGoals.get(makePathGoalKey(each.path, each.repair))));
    if (path !== undefined) return cycleError(path.path);
    const id = realisations.find((each) => !isFree(this.#realisationGoals.get(makeRealisationGoalKey(each))));
    return id === undefined ? undefined : cycleError(printDrvOutput(id));
  }

  /** Waits until every goal that worked for this run and for nobody else has cleaned up, and for what was left to the end. */
  async #settle(run: Run): Promise<void> {
    const open = () =>
      [...this.#open.values()].filter(
        ({ audience: { runs } }) => runs.has(run) && [...runs].every(({ isLeaving }) => isLeaving),
      );
    for (let goals = open(); goals.length > 0; goals = open())
      await Promise.allSettled(goals.map(({ ended }) => ended));
    await Promise.all(this.#afterwards);
  }

  /** The goal of this derivation, new or under way, with one more waiter. */
  #joinDerivation(
    { drvPath, outputs, derivation }: InputRequest,
    mode: BuildMode,
    above: Audience,
  ): DerivationGoal {
    const key = makeDerivationGoalKey(drvPath, mode);
    const found = join(this.#derivationGoals, key, above);
    if (found !== undefined) {
      found.wanted.add(outputs);
      return found;
    }
    const wanted = new WantedOutputs(outputs);
    const failures = [...above.runs].map((run) => run.failureOf(drvPath));
    const [failed] = failures;
    if (failed !== undefined && !failures.includes(undefined)) return { ...endedGoal(key, failed), wanted };
    const audience = new Audience("builds");
    audience.join(above);
    audience.emit({ type: "goal-created", goal: key, drvPath, wanted: wanted.names() });
    const started = this.#start(this.#derivationGoals, key, audience, (cancellation, told) => {
      const read = async () => derivation ?? this.#derivations.get(drvPath);
      const request = { drvPath, wanted, mode, derivation };
      const cx = new DerivationContext(this.#parts, { key, cancellation, audience }, request, read);
      runDerivationGoal(cx, {
        ...told,
        done: (result) => {
          for (const run of audience.runs) run.note(result);
          audience.emit({ type: "goal-done", goal: key, result });
          told.done(result);
        },
      });
    });
    const { cancellation, ended } = started;
    const goal: DerivationGoal = { key, cancellation, audience, waiters: 1, ended, wanted };
    this.#derivationGoals.set(key, goal);
    return goal;
  }

  /** The goal of this path, new or under way, with one more waiter; what the first request knew of it counts. */
  #joinPath({ path, ca, repair = false }: PathRequest, above: Audience): Goal<SubstitutionResult> {
    const key = makePathGoalKey(path, repair);
    const found = join(this.#pathGoals, key, above);
    if (found !== undefined) return found;
    const audience = new Audience("substitutions");
    audience.join(above);
    audience.emit({ type: "substitution-created", goal: key, path });
    return this.#start(this.#pathGoals, key, audience, (cancellation, told) => {
      const run = async () => {
        const { runPathSubstitution } = await import("../goals/substitution/path.js"); // most runs need none
        const common = new GoalCommon(this.#parts, { key, cancellation, audience }, "substitution");
        const cx = Object.assign(common, { path, ca, repair, counters: audience });
        const result = await runPathSubstitution(cx);
        audience.emit({ type: "substitution-done", goal: key, result });
        return result;
      };
      run().then(told.done, told.failed);
    });
  }

  /** The goal of this realisation, new or under way, with one more waiter. */
  #joinRealisation(id: DrvOutput, above: Audience): Goal<RealisationResult> {
    const key = makeRealisationGoalKey(id);
    const found = join(this.#realisationGoals, key, above);
    if (found !== undefined) return found;
    const audience = new Audience();
    audience.join(above);
    audience.emit({ type: "realisation-created", goal: key, id: printDrvOutput(id) });
    return this.#start(this.#realisationGoals, key, audience, (cancellation, told) => {
      const run = async () => {
        const { runRealisationSubstitution } = await import("../goals/realisation/run.js"); // most runs need none
        const common = new GoalCommon(this.#parts, { key, cancellation, audience }, "substitution");
        const result = await runRealisationSubstitution(Object.assign(common, { id }));
        const told: RealisationResultOf<string> = { ...result, id: printDrvOutput(result.id) };
        audience.emit({ type: "realisation-done", goal: key, result: told });
        return result;
      };
      run().then(told.done, told.failed);
    });
  }

  /** A new goal, which begins with its first turn. An aborted one of the same key cleans up first. */
  #start<Result extends GoalResult>(
    goals: Map<GoalKey, Goal<Result>>,
    key: GoalKey,
    audience: Audience,
    run: (cancellation: Cancellation, told: Told<Result>) => void,
  ): Goal<Result> {
    const cancellation = new Cancellation();
    const before = goals.get(key)?.ended;
    const ended = new Promise<Result | undefined>((resolve, reject) => {
      const end = () => {
        this.#parts.passes.leave(key);
        cancellation.end();
        audience.dismiss();
        if (goals.get(key)?.cancellation === cancellation) goals.delete(key);
        this.#open.delete(cancellation);
      };
      const told: Told<Result> = {
        done: (result) => {
          end();
          resolve(result);
        },
        failed: (error) => {
          end();
          if (cancellation.isAborted) resolve(undefined);
          else reject(error);
        },
      };
      const begin = () => this.#parts.passes.begin(key, () => run(cancellation, told));
      if (before === undefined) begin();
      else before.then(begin, reject);
    });
    const goal = { key, cancellation, audience, waiters: 1, ended };
    goals.set(key, goal);
    this.#open.set(cancellation, goal);
    return goal;
  }
}

/** The goal of this key that is under way, with one more waiter. */
function join<SomeGoal extends Goal<GoalResult>>(
  goals: ReadonlyMap<GoalKey, SomeGoal>,
  key: GoalKey,
  above: Audience,
): SomeGoal | undefined {
  const found = goals.get(key);
  if (!isUnderWay(found)) return undefined;
  found.waiters += 1;
  found.audience.join(above);
  return found;
}

function isUnderWay<SomeGoal extends Goal<GoalResult>>(goal: SomeGoal | undefined): goal is SomeGoal {
  return goal !== undefined && !goal.cancellation.isAborted && !goal.cancellation.isOver;
}

function cycleError(again: string): GoalError {
  return new GoalError("ERR_GOAL_CYCLE", `cycle detected: '${again}' waits for itself`, {
    hint: "A substituter says that it depends on itself by way of others; ask who runs the substituter.",
  });
}

/** What is known is not worked for again. */
function endedGoal<Result extends GoalResult>(key: GoalKey, result: Result): Goal<Result> {
  const cancellation = new Cancellation();
  return { key, cancellation, audience: new Audience(), waiters: 1, ended: Promise.resolve(result) };
}
