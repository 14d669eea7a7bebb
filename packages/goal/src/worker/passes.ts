import type { GoalKey } from "./goal-key.js";
import { KeyHeap } from "./heap.js";

interface Runnable {
  readonly key: GoalKey;
  readonly resume: () => void;
}

const settled = Promise.resolve();

/** Turns in one go before others of the event loop have theirs. */
const turnsInOneGo = 64;

/**
 * Lets goals go on one at a time, in the order of their keys: whoever became runnable since the last pass waits for the
 * next one, and a pass gives each its turn, smallest key first. A turn lasts until the goal asks for another one,
 * leaves it to wait for the world, or ends; so the order does not depend on how long the ports take. What is to be
 * decided between two passes (grants) is called then.
 *
 * @see Nix: src/libstore/build/worker.cc, `Worker::run`
 */
export class Passes {
  #awake = new KeyHeap<GoalKey, Runnable>();
  #pass = new KeyHeap<GoalKey, Runnable>();
  #between: (() => void)[] = [];
  #turnOf: GoalKey | undefined;
  #scheduled = false;
  #turns = 0;

  /** Resolves when it is this goal's turn again; a turn it still has ends. */
  turn(key: GoalKey): Promise<void> {
    return new Promise((resume) => {
      this.#awake.add(key, { key, resume });
      this.leave(key);
      this.#schedule();
    });
  }

  /** Calls back at the first turn of a goal: until then nothing of it has begun. */
  begin(key: GoalKey, start: () => void): void {
    this.#awake.add(key, { key, resume: start });
    this.#schedule();
  }

  /** Ends the turn of this goal, if it has it. */
  leave(key: GoalKey): void {
    if (this.#turnOf !== key) return;
    this.#turnOf = undefined;
    this.#schedule();
  }

  /** Calls back once the pass that runs is over. */
  betweenPasses(callback: () => void): void {
    this.#between.push(callback);
    this.#schedule();
  }

  /** A new pass waits for the event loop, so that everybody who was told of a result is in it. */
  #schedule(): void {
    if (this.#scheduled || this.#turnOf !== undefined) return;
    this.#scheduled = true;
    this.#turns += 1;
    // As `queueMicrotask`, without the resource that Node makes for each.
    if (this.#pass.size > 0 && this.#turns % turnsInOneGo !== 0) void settled.then(this.#next);
    else setImmediate(this.#next);
  }

  readonly #next = (): void => {
    this.#scheduled = false;
    if (this.#pass.size === 0 && this.#between.length > 0) {
      const callbacks = this.#between;
      this.#between = [];
      for (const callback of callbacks) callback();
      this.#schedule();
      return;
    }
    if (this.#pass.size === 0) [this.#pass, this.#awake] = [this.#awake, this.#pass];
    const runnable = this.#pass.take();
    if (runnable === undefined) return;
    this.#turnOf = runnable.key;
    runnable.resume();
  };
}
