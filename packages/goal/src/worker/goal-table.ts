import type { RealisationResult } from "../result/realisation-result.js";
import type { SubstitutionResult } from "../result/substitution-result.js";
import type { Audience } from "./audience.js";
import type { DerivationGoal } from "./derivation-context.js";
import type { GoalKey } from "./goal-key.js";
import { allEnded, type Goal, type GoalOwner, type GoalResult } from "./goals.js";
import type { Passes } from "./passes.js";
import type { Run } from "./run.js";

/** The goals of a worker, by their keys, until they have ended. */
export class GoalTable implements GoalOwner {
  readonly derivations = new Map<GoalKey, DerivationGoal>();
  readonly paths = new Map<GoalKey, Goal<SubstitutionResult>>();
  readonly realisations = new Map<GoalKey, Goal<RealisationResult>>();
  /** All that have not ended, aborted ones whose place another one has taken among them. */
  readonly #open = new Set<Goal>();

  constructor(private readonly passes: Passes) {}

  /** A new goal, which begins with its first turn. An aborted one of the same key cleans up first. */
  start<Result extends GoalResult, SomeGoal extends Goal<Result>>(
    goals: Map<GoalKey, SomeGoal>,
    goal: SomeGoal,
    run: () => void,
  ): void {
    const before = goals.get(goal.key);
    goals.set(goal.key, goal);
    this.#open.add(goal as unknown as Goal);
    const begin = () => this.passes.begin(goal.key, run);
    if (before === undefined) begin();
    else before.whenEnded({ done: begin, failed: (error) => goal.failed(error) });
  }

  /** Its place is free. */
  ended(goal: Goal): void {
    this.passes.leave(goal.key);
    this.#open.delete(goal);
    for (const goals of [this.derivations, this.paths, this.realisations] as const)
      if ((goals.get(goal.key) as unknown) === goal) goals.delete(goal.key);
  }

  /** Waits until every goal that worked for this run and for nobody else has cleaned up. */
  async settle(run: Run): Promise<void> {
    const open = () =>
      [...this.#open].filter(
        ({ audience: { runs } }) => runs.has(run) && [...runs].every(({ isLeaving }) => isLeaving),
      );
    for (let goals = open(); goals.length > 0; goals = open()) await allEnded(goals);
  }
}

/** The goal of this key that is under way, with one more waiter. */
export function joinGoal<Result extends GoalResult, SomeGoal extends Goal<Result>>(
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
