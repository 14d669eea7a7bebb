import type { GoalKey } from "./goal-key.js";
import { KeyHeap } from "./heap.js";

/**
 * Lets goals go on in the order of their keys: whoever became runnable since the last pass waits for the next one,
 * and a pass resumes all of them smallest key first. What is to be decided between two passes (grants) runs after
 * the goals of a pass.
 */
export class Passes {
  #awake = new KeyHeap<GoalKey, () => void>();
  #afterwards: (() => void)[] = [];
  #scheduled = false;

  /** Resolves in the next pass. */
  turn(key: GoalKey): Promise<void> {
    return new Promise((resolve) => {
      this.#awake.add(key, resolve);
      this.#schedule();
    });
  }

  /** Calls back once no goal is awake. */
  whenQuiet(callback: () => void): void {
    this.#afterwards.push(callback);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#pass());
  }

  #pass(): void {
    this.#scheduled = false;
    if (this.#awake.size > 0) {
      const pass = this.#awake;
      this.#awake = new KeyHeap();
      for (let resume = pass.take(); resume !== undefined; resume = pass.take()) resume();
      if (this.#afterwards.length > 0) this.#schedule();
      return;
    }
    const callbacks = this.#afterwards;
    this.#afterwards = [];
    for (const callback of callbacks) callback();
  }
}
