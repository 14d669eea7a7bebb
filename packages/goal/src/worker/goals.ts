import type { BuildResult } from "../result/build-result.js";
import { isSuccess } from "../result/exit-status.js";
import type { RealisationResult } from "../result/realisation-result.js";
import type { SubstitutionResult } from "../result/substitution-result.js";
import type { Audience } from "./audience.js";
import { Cancellation } from "./cancellation.js";
import type { GoalKey } from "./goal-key.js";

/** What any goal comes to. */
export type GoalResult = BuildResult | SubstitutionResult | RealisationResult;

/** Who is told of the end of a waiting. */
export interface Told<Value> {
  done(value: Value): void;
  /** Something of ours broke. */
  failed(error: unknown): void;
}

/** What happens besides when a goal ends: its place becomes free. */
export interface GoalOwner {
  ended(goal: Goal): void;
}

/** Reason of an abort by us: nobody waits for the goal any more. */
const unwanted = new Error("nobody waits for this goal any more");

type End<Result> =
  | { readonly result: Result | undefined }
  /** Something of ours broke. */
  | { readonly error: unknown };

type Listener = Told<GoalResult | undefined>;

const settled = Promise.resolve();

/**
 * A goal under way: one per key. Fields and methods, no promise and no closure: many thousand goals wait at once, and this is what
 * each of them costs.
 */
export class Goal<Result extends GoalResult = GoalResult> implements Told<Result> {
  waiters = 1;
  readonly cancellation = new Cancellation();
  #listeners: Listener[] | undefined;
  #end: End<Result> | undefined;

  /** `audience`: the runs that it works for. */
  constructor(
    readonly key: GoalKey,
    readonly audience: Audience,
    private readonly owner: GoalOwner,
  ) {}

  /** With what it came to; `undefined` while it has not ended, or when nobody waited for it any more. */
  get result(): Result | undefined {
    return this.#end !== undefined && "result" in this.#end ? this.#end.result : undefined;
  }

  /** Whether somebody who comes now can wait for it. */
  get isUnderWay(): boolean {
    return !this.cancellation.isAborted && !this.cancellation.isOver;
  }

  done(result: Result): void {
    this.#tell({ result });
  }

  /** The abort is an end like others. */
  failed(error: unknown): void {
    this.#tell(this.cancellation.isAborted ? { result: undefined } : { error });
  }

  /** Tells the listener of the end, at once when it comes, and not before the caller is done when it has been. */
  whenEnded(listener: Told<Result | undefined>): void {
    const end = this.#end;
    if (end !== undefined) void settled.then(() => tell(end, listener));
    else if (this.#listeners === undefined) this.#listeners = [listener as Listener];
    else this.#listeners.push(listener as Listener);
  }

  /** The last waiter to leave aborts the goal. */
  leave(): void {
    this.waiters -= 1;
    if (this.waiters === 0) this.cancellation.abort(unwanted);
  }

  #tell(end: End<Result>): void {
    if (this.#end !== undefined) return;
    this.owner.ended(this as unknown as Goal);
    this.cancellation.end();
    this.audience.dismiss();
    this.#end = end;
    const listeners = this.#listeners ?? [];
    this.#listeners = undefined;
    for (const listener of listeners) tell(end, listener);
  }
}

function tell<Result extends GoalResult>(end: End<Result>, listener: Told<Result | undefined>): void {
  if ("error" in end) listener.failed(end.error);
  else listener.done(end.result);
}

/** Resolves when all of them have ended, however they did. */
export async function allEnded(goals: readonly Goal[]): Promise<void> {
  await Promise.all(
    goals.map(
      (goal) => new Promise<void>((ended) => goal.whenEnded({ done: () => ended(), failed: () => ended() })),
    ),
  );
}

/** Whether it is a failure by itself: that nobody offers a path is none. */
export function isFailure(result: GoalResult | undefined): boolean {
  if (result === undefined) return true;
  return "exit" in result ? result.exit === "failed" : !isSuccess(result);
}
