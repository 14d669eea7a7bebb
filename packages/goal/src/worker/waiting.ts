import type { WaiteeResults, Waitees } from "./context.js";
import { type Goal, type GoalResult, isFailure, type Told } from "./goals.js";
import type { Passes } from "./passes.js";
import { sorted } from "./results.js";

/** Who waits: a goal, which goes on with a turn, or a run. */
export type Waiter = Pick<Goal, "cancellation" | "audience"> & Partial<Pick<Goal, "key">>;

/** How it is waited. */
export interface Patience {
  readonly keepGoing: boolean;
  readonly passes: Passes;
}

const settled = Promise.resolve();

/**
 * Waits for all of some goals; without keep-going for the first failure, and for the abort. Then they are left: what nobody else waits
 * for is aborted. What has not ended by then has no result. Without a promise and without closures: many thousand goals may wait.
 */
export class Waiting implements Told<GoalResult | undefined> {
  #left: number;
  #isOver = false;

  constructor(
    private readonly goals: readonly Goal[],
    private readonly waitees: Waitees,
    private readonly waiter: Waiter,
    private readonly patience: Patience,
    private readonly told: Told<WaiteeResults>,
  ) {
    this.#left = goals.length;
    waiter.audience.waitFor(goals.map((goal) => goal.audience));
    waiter.cancellation.onAbort(this);
    for (const goal of goals) goal.whenEnded(this);
  }

  /** One of them has ended. */
  done(result: GoalResult | undefined): void {
    this.#left -= 1;
    if (this.#left === 0 || (isFailure(result) && !this.patience.keepGoing)) this.aborted();
  }

  failed(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.#leave();
    this.told.failed(error);
  }

  /** An abort goes down a deep graph without a deep stack. */
  aborted(): void {
    if (this.#isOver) return;
    const results = this.goals.map(({ result }) => result); // what ends later is not part of it
    this.#end();
    void settled.then(() => {
      this.#leave();
      const { key } = this.waiter;
      const tell = () => this.told.done(sorted(this.waitees, results));
      if (key === undefined) tell();
      else this.patience.passes.begin(key, tell);
    });
  }

  #end(): void {
    this.#isOver = true;
    this.waiter.cancellation.onAbort(undefined);
  }

  #leave(): void {
    this.waiter.audience.waitFor([]);
    for (const goal of this.goals) goal.leave();
  }
}
