import type { BuildResult } from "../result/build-result.js";
import { isSuccess } from "../result/exit-status.js";
import type { RealisationResult } from "../result/realisation-result.js";
import type { SubstitutionResult } from "../result/substitution-result.js";
import type { Audience } from "./audience.js";
import type { Cancellation } from "./cancellation.js";
import type { GoalKey } from "./goal-key.js";

/** What any goal comes to. */
export type GoalResult = BuildResult | SubstitutionResult | RealisationResult;

/** A goal under way: one per key. */
export interface Goal<Result extends GoalResult> {
  readonly key: GoalKey;
  readonly cancellation: Cancellation;
  /** Resolves with the result; with `undefined` when nobody waited for it any more. */
  readonly ended: Promise<Result | undefined>;
  /** The runs that it works for. */
  readonly audience: Audience;
  waiters: number;
}

/** Reason of an abort by us: nobody waits for the goal any more. */
const unwanted = new Error("nobody waits for this goal any more");

/** The last waiter to leave aborts the goal. */
export function leave(goal: Goal<GoalResult>): void {
  goal.waiters -= 1;
  if (goal.waiters === 0) goal.cancellation.abort(unwanted);
}

/** Whether it is a failure by itself: that nobody offers a path is none. */
export function isFailure(result: GoalResult | undefined): boolean {
  if (result === undefined) return true;
  return "exit" in result ? result.exit === "failed" : !isSuccess(result);
}

const settled = Promise.resolve();

/** Who is told of the end of a waiting. */
export interface Told<Value> {
  done(value: Value): void;
  /** Something of ours broke. */
  failed(error: unknown): void;
}

/** How ends are waited for. */
interface Collecting {
  readonly keepGoing: boolean;
  readonly cancellation: Cancellation;
  readonly failed: (error: unknown) => void;
}

/**
 * Waits for all of them; without keep-going for the first failure, and for the abort. Results are in the order of the
 * goals, `undefined` for those that have not ended by then. Without a promise: many thousand goals may wait.
 */
export function collect(
  goals: readonly Goal<GoalResult>[],
  { keepGoing, cancellation, failed }: Collecting,
  done: (results: readonly (GoalResult | undefined)[]) => void,
): void {
  const results: (GoalResult | undefined)[] = goals.map(() => undefined);
  let left = goals.length;
  let isOver = false;
  const finish = () => {
    if (isOver) return;
    isOver = true;
    cancellation.onAbort(undefined);
    const copy = [...results]; // what ends later is not part of it
    void settled.then(() => done(copy)); // an abort goes down a deep graph without a deep stack
  };
  cancellation.onAbort(finish);
  goals.forEach((goal, index) => {
    goal.ended.then((result) => {
      results[index] = result;
      left -= 1;
      if (left === 0 || (isFailure(result) && !keepGoing)) finish();
    }, failed);
  });
}
