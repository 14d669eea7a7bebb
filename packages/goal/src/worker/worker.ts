import type { StorePath } from "@drvkit/drv-parser";
import { type DrvOutput, printDrvOutput } from "@drvkit/narinfo";
import { GoalError } from "../error.js";
import type { Level } from "../event.js";
import { runDerivationGoal } from "../goals/derivation/run.js";
import type { BuildResult } from "../result/build-result.js";
import type { RealisationResult, RealisationResultOf } from "../result/realisation-result.js";
import type { SubstitutionResult } from "../result/substitution-result.js";
import type { BuildMode, WorkerSettings } from "../settings.js";
import { queryAlreadyValid } from "./already-valid.js";
import { Audience } from "./audience.js";
import { BuildHook } from "./build-hook.js";
import { Cancellation } from "./cancellation.js";
import { GoalCommon, type WorkerParts } from "./common-context.js";
import { Contents } from "./contents.js";
import type { EventBody, InputRequest, PathRequest, Ports, WaiteeResults, Waitees } from "./context.js";
import { DerivationCache } from "./derivation-cache.js";
import { DerivationContext, DerivationGoal } from "./derivation-context.js";
import { derivationStoreOf } from "./derivation-store.js";
import { type GoalKey, makeDerivationGoalKey, makePathGoalKey, makeRealisationGoalKey } from "./goal-key.js";
import { allEnded, Goal, type GoalOwner, type GoalResult, type Told } from "./goals.js";
import { Passes } from "./passes.js";
import { sorted } from "./results.js";
import type { Run } from "./run.js";
import { Slots } from "./slots.js";
import { evalStoreAsSubstituter, type Substituter, Substituters } from "./substituters.js";
import { type Patience, type Waiter, Waiting } from "./waiting.js";
import { WantedOutputs } from "./wanted.js";

/** What a worker runs with. */
export interface WorkerOptions {
  readonly ports: Ports;
  readonly settings: WorkerSettings;
}

/** Runs goals: one per derivation, path and realisation, in key order, with a limited number at a time. */
export class Worker implements GoalOwner {
  readonly #derivationGoals = new Map<GoalKey, DerivationGoal>();
  readonly #pathGoals = new Map<GoalKey, Goal<SubstitutionResult>>();
  readonly #realisationGoals = new Map<GoalKey, Goal<RealisationResult>>();
  /** All that have not ended, aborted ones whose place another one has taken among them. */
  readonly #open = new Set<Goal>();
  readonly #runs = new Set<Run>();
  readonly #afterwards = new Set<Promise<void>>();
  readonly #derivations: DerivationCache;
  readonly #parts: WorkerParts;
  readonly #patience: Patience;
  readonly #evalStore: Substituter | undefined;

  constructor({ ports, settings }: WorkerOptions) {
    const derivationStore = derivationStoreOf(ports);
    this.#derivations = new DerivationCache((drvPath) => derivationStore.readDerivation(drvPath));
    const say = (level: Level, text: string) => {
      for (const run of this.#runs) run.emit({ type: "message", level, text });
    };
    this.#evalStore = evalStoreAsSubstituter(ports);
    const passes = new Passes();
    this.#patience = { keepGoing: settings.keepGoing, passes };
    this.#parts = {
      ports,
      derivationStore,
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
      const valid = await queryAlreadyValid(waitees, { ...this.#parts, signal });
      return await new Promise((done, failed) =>
        this.#waitFor(waitees, { cancellation, audience }, { done, failed }, valid),
      );
    } finally {
      run.isLeaving = true;
      await this.#settle(run);
      this.#runs.delete(run);
    }
  }

  /**
   * Results are in the order given. Who waits is told when all have ended, or at the first failure or the abort. Derivations of which
   * `valid` has the result have nothing to do.
   */
  #waitFor(
    waitees: Waitees,
    waiter: Waiter,
    told: Told<WaiteeResults>,
    valid: AlreadyValid = noneValid,
  ): void {
    const { key, cancellation, audience } = waiter;
    const { derivations = [], paths = [], realisations = [], mode = "normal" } = waitees;
    const isOver = cancellation.isAborted;
    const cycle = isOver ? undefined : this.#findCycle(waitees, audience);
    if (cycle !== undefined) {
      const { message: text } = cycle;
      if (key !== undefined) audience.emit({ type: "message", goal: key, level: "error", text });
      told.failed(cycle);
      return;
    }
    const goals: readonly Goal[] = isOver
      ? []
      : ([
          ...derivations.map((request) => this.#joinDerivation(request, { mode, above: audience, valid })),
          ...paths.map((request) => this.#joinPath(request, audience)),
          ...realisations.map((id) => this.#joinRealisation(id, audience)),
        ] as readonly Goal[]);
    if (goals.length === 0) {
      told.done(sorted(waitees, []));
      return;
    }
    new Waiting(goals, waitees, waiter, this.#patience, told);
  }

  /** What would wait for itself: others may say so of paths and realisations, never of derivations. */
  #findCycle({ paths = [], realisations = [] }: Waitees, audience: Audience): GoalError | undefined {
    const isFree = (goal: Pick<Goal, "isUnderWay" | "audience"> | undefined) =>
      goal?.isUnderWay !== true || audience.canWaitFor(goal.audience);
    const path = paths.find((each) => !isFree(this.#pathGoals.get(makePathGoalKey(each))));
    if (path !== undefined) return cycleError(path.path);
    const id = realisations.find((each) => !isFree(this.#realisationGoals.get(makeRealisationGoalKey(each))));
    return id === undefined ? undefined : cycleError(printDrvOutput(id));
  }

  /** Waits until every goal that worked for this run and for nobody else has cleaned up, and for what was left to the end. */
  async #settle(run: Run): Promise<void> {
    const open = () =>
      [...this.#open].filter(
        ({ audience: { runs } }) => runs.has(run) && [...runs].every(({ isLeaving }) => isLeaving),
      );
    for (let goals = open(); goals.length > 0; goals = open()) await allEnded(goals);
    await Promise.all(this.#afterwards);
  }

  /** The goal of this derivation, new or under way, with one more waiter. */
  #joinDerivation(
    { drvPath, outputs, derivation }: InputRequest,
    {
      mode,
      above,
      valid,
    }: { readonly mode: BuildMode; readonly above: Audience; readonly valid: AlreadyValid },
  ): Goal<BuildResult> {
    const key = makeDerivationGoalKey(drvPath, mode);
    const found = join(this.#derivationGoals, key, above);
    if (found !== undefined) {
      found.request.wanted.add(outputs);
      return found;
    }
    const request = { drvPath, wanted: new WantedOutputs(outputs), mode, derivation };
    const failures = [...above.runs].map((run) => run.failureOf(drvPath));
    const [failed] = failures;
    if (failed !== undefined && !failures.includes(undefined)) {
      // What is known is not worked for again.
      const known = new Goal<BuildResult>(key, new Audience(), nobody);
      known.done(failed);
      return known;
    }
    const audience = new Audience("builds");
    audience.join(above);
    const created: EventBody = { type: "goal-created", goal: key, drvPath, wanted: request.wanted.names() };
    const result = valid.get(drvPath);
    if (result !== undefined) {
      const ended = new DerivationGoal(key, audience, nobody, request);
      audience.emitOnce(created);
      audience.emitOnce({
        type: "goal-stage",
        goal: key,
        from: "load",
        to: "done",
        because: "already-valid",
      });
      ended.done(result);
      return ended;
    }
    audience.emit(created);
    const goal = new DerivationGoal(key, audience, this, request);
    this.#start(this.#derivationGoals, goal, () =>
      runDerivationGoal(new DerivationContext(this.#parts, goal, this.#derivations), goal),
    );
    return goal;
  }

  /** The goal of this path, new or under way, with one more waiter; what the first request knew of it counts. */
  #joinPath(request: PathRequest, above: Audience): Goal<SubstitutionResult> {
    const { path, ca, repair = false } = request;
    const key = makePathGoalKey(request);
    const found = join(this.#pathGoals, key, above);
    if (found !== undefined) return found;
    const audience = new Audience("substitutions");
    audience.join(above);
    audience.emit({ type: "substitution-created", goal: key, path });
    const goal = new Goal<SubstitutionResult>(key, audience, this);
    this.#start(this.#pathGoals, goal, () => {
      const run = async () => {
        const { runPathSubstitution } = await import("../goals/substitution/path.js"); // most runs need none
        const common = new GoalCommon(this.#parts, goal);
        const cx = Object.assign(common, {
          path,
          ca,
          repair,
          copiedFrom: request.from === "evalStore" ? this.#evalStore : undefined,
          counters: audience,
        });
        const result = await runPathSubstitution(cx);
        audience.emit({ type: "substitution-done", goal: key, result });
        return result;
      };
      run().then(
        (result) => goal.done(result),
        (error) => goal.failed(error),
      );
    });
    return goal;
  }

  /** The goal of this realisation, new or under way, with one more waiter. */
  #joinRealisation(id: DrvOutput, above: Audience): Goal<RealisationResult> {
    const key = makeRealisationGoalKey(id);
    const found = join(this.#realisationGoals, key, above);
    if (found !== undefined) return found;
    const audience = new Audience();
    audience.join(above);
    audience.emit({ type: "realisation-created", goal: key, id: printDrvOutput(id) });
    const goal = new Goal<RealisationResult>(key, audience, this);
    this.#start(this.#realisationGoals, goal, () => {
      const run = async () => {
        const { runRealisationSubstitution } = await import("../goals/realisation/run.js"); // most runs need none
        const common = new GoalCommon(this.#parts, goal);
        const result = await runRealisationSubstitution(Object.assign(common, { id }));
        const told: RealisationResultOf<string> = { ...result, id: printDrvOutput(result.id) };
        audience.emit({ type: "realisation-done", goal: key, result: told });
        return result;
      };
      run().then(
        (result) => goal.done(result),
        (error) => goal.failed(error),
      );
    });
    return goal;
  }

  /** A new goal, which begins with its first turn. An aborted one of the same key cleans up first. */
  #start<Result extends GoalResult, SomeGoal extends Goal<Result>>(
    goals: Map<GoalKey, SomeGoal>,
    goal: SomeGoal,
    run: () => void,
  ): void {
    const before = goals.get(goal.key);
    goals.set(goal.key, goal);
    this.#open.add(goal as unknown as Goal);
    const begin = () => this.#parts.passes.begin(goal.key, run);
    if (before === undefined) begin();
    else before.whenEnded({ done: begin, failed: (error) => goal.failed(error) });
  }

  /** Its place is free. */
  ended(goal: Goal): void {
    this.#parts.passes.leave(goal.key);
    this.#open.delete(goal);
    for (const goals of [this.#derivationGoals, this.#pathGoals, this.#realisationGoals] as const)
      if ((goals.get(goal.key) as unknown) === goal) goals.delete(goal.key);
  }
}

/** The goal of this key that is under way, with one more waiter. */
function join<Result extends GoalResult, SomeGoal extends Goal<Result>>(
  goals: ReadonlyMap<GoalKey, SomeGoal>,
  key: GoalKey,
  above: Audience,
): SomeGoal | undefined {
  const found = goals.get(key);
  if (found?.isUnderWay !== true) return undefined;
  found.waiters += 1;
  found.audience.join(above);
  return found;
}

type AlreadyValid = ReadonlyMap<StorePath, BuildResult>;
const noneValid: AlreadyValid = new Map();

/** Of a goal that nobody has to run. */
const nobody: GoalOwner = { ended: () => undefined };

function cycleError(again: string): GoalError {
  return new GoalError("ERR_GOAL_CYCLE", `cycle detected: '${again}' waits for itself`, {
    hint: "A substituter says that it depends on itself by way of others; ask who runs the substituter.",
  });
}
