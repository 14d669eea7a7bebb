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
import type { InputRequest, PathRequest, Ports, WaiteeResults, Waitees } from "./context.js";
import { DerivationCache } from "./derivation-cache.js";
import { DerivationContext, DerivationGoal } from "./derivation-context.js";
import { derivationStoreOf } from "./derivation-store.js";
import { failedBefore, validBefore } from "./ended-goals.js";
import { makeDerivationGoalKey, makePathGoalKey, makeRealisationGoalKey } from "./goal-key.js";
import { GoalTable, joinGoal } from "./goal-table.js";
import { Goal, type Told } from "./goals.js";
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
export class Worker {
  readonly #goals: GoalTable;
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
    this.#goals = new GoalTable(passes);
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
      await this.#goals.settle(run);
      await Promise.all(this.#afterwards);
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
    const path = paths.find((each) => !isFree(this.#goals.paths.get(makePathGoalKey(each))));
    if (path !== undefined) return cycleError(path.path);
    const id = realisations.find(
      (each) => !isFree(this.#goals.realisations.get(makeRealisationGoalKey(each))),
    );
    return id === undefined ? undefined : cycleError(printDrvOutput(id));
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
    const found = joinGoal(this.#goals.derivations, key, above);
    if (found !== undefined) {
      found.request.wanted.add(outputs);
      return found;
    }
    const request = { drvPath, wanted: new WantedOutputs(outputs), mode, derivation };
    const failed = failedBefore(key, drvPath, above);
    if (failed !== undefined) return failed;
    const audience = new Audience("builds");
    audience.join(above);
    const result = valid.get(drvPath);
    if (result !== undefined) return validBefore(key, audience, request, result);
    audience.emit({ type: "goal-created", goal: key, drvPath, wanted: request.wanted.names() });
    const goal = new DerivationGoal(key, audience, this.#goals, request);
    this.#goals.start(this.#goals.derivations, goal, () =>
      runDerivationGoal(new DerivationContext(this.#parts, goal, this.#derivations), goal),
    );
    return goal;
  }

  /** The goal of this path, new or under way, with one more waiter; what the first request knew of it counts. */
  #joinPath(request: PathRequest, above: Audience): Goal<SubstitutionResult> {
    const { path, ca, repair = false } = request;
    const key = makePathGoalKey(request);
    const found = joinGoal(this.#goals.paths, key, above);
    if (found !== undefined) return found;
    const audience = new Audience("substitutions");
    audience.join(above);
    audience.emit({ type: "substitution-created", goal: key, path });
    const goal = new Goal<SubstitutionResult>(key, audience, this.#goals);
    this.#goals.start(this.#goals.paths, goal, () => {
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
    const found = joinGoal(this.#goals.realisations, key, above);
    if (found !== undefined) return found;
    const audience = new Audience();
    audience.join(above);
    audience.emit({ type: "realisation-created", goal: key, id: printDrvOutput(id) });
    const goal = new Goal<RealisationResult>(key, audience, this.#goals);
    this.#goals.start(this.#goals.realisations, goal, () => {
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
}

type AlreadyValid = ReadonlyMap<StorePath, BuildResult>;
const noneValid: AlreadyValid = new Map();

function cycleError(again: string): GoalError {
  return new GoalError("ERR_GOAL_CYCLE", `cycle detected: '${again}' waits for itself`, {
    hint: "A substituter says that it depends on itself by way of others; ask who runs the substituter.",
  });
}
