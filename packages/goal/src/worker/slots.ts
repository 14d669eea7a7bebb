import type { GoalKey } from "./goal-key.js";
import { KeyHeap } from "./heap.js";
import type { Passes } from "./passes.js";

/** A right to run one build; disposing gives it back, once. */
export type Slot = Disposable;

export type SlotChange = "waiting" | "granted" | "released";

interface Waiter {
  readonly key: GoalKey;
  readonly grant: (slot: Slot) => void;
  left: boolean;
}

/** A pool of rights to run, granted in the order of keys between passes. */
export class Slots {
  readonly #waiting = new KeyHeap<GoalKey, Waiter>();
  #free: number;
  #scheduled = false;

  constructor(
    size: number,
    private readonly passes: Passes,
    private readonly changed: (key: GoalKey, change: SlotChange) => void = () => undefined,
  ) {
    this.#free = size;
  }

  /** Waits for a slot. @throws the signal's reason when it aborts first. */
  acquire(key: GoalKey, signal: AbortSignal): Promise<Slot> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        waiter.left = true;
        reject(signal.reason);
      };
      const waiter: Waiter = {
        key,
        left: false,
        grant: (slot) => {
          signal.removeEventListener("abort", onAbort);
          resolve(slot);
        },
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(key, waiter);
      this.changed(key, "waiting");
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#free === 0 || this.#waiting.size === 0) return;
    this.#scheduled = true;
    this.passes.betweenPasses(() => {
      this.#scheduled = false;
      this.#grant();
    });
  }

  /** At most as many as there are free slots; one who left does not swallow a grant. */
  #grant(): void {
    while (this.#free > 0) {
      const waiter = this.#waiting.take();
      if (waiter === undefined) return;
      if (waiter.left) continue;
      this.#free -= 1;
      this.changed(waiter.key, "granted");
      waiter.grant(this.#slot(waiter.key));
    }
  }

  #slot(key: GoalKey): Slot {
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#free += 1;
        this.changed(key, "released");
        this.#schedule();
      },
    };
  }
}
