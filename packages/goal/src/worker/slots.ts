import type { GoalKey } from "./goal-key.js";
import { KeyHeap } from "./heap.js";
import type { Passes } from "./passes.js";

/** A right to run one build; disposing gives it back, once. */
export type Slot = Disposable;

export type SlotChange = "waiting" | "granted" | "released";

interface Waiter {
  readonly key: GoalKey;
  readonly grant: (slot: Slot) => void;
  readonly changed: (change: SlotChange) => void;
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
  ) {
    this.#free = size;
  }

  /** Waits for a slot. @throws the signal's reason when it aborts first. */
  acquire(
    key: GoalKey,
    signal: AbortSignal,
    changed: (change: SlotChange) => void = () => undefined,
  ): Promise<Slot> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        waiter.left = true;
        reject(signal.reason);
      };
      const waiter: Waiter = {
        key,
        left: false,
        changed,
        grant: (slot) => {
          signal.removeEventListener("abort", onAbort);
          resolve(slot);
        },
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(key, waiter);
      changed("waiting");
      this.#schedule();
    });
  }

  /** Whether one could be had at once. */
  get isFree(): boolean {
    return this.#free > 0 && this.#waiting.size === 0;
  }

  /** A slot that is free, or nothing. */
  tryAcquire(changed: (change: SlotChange) => void = () => undefined): Slot | undefined {
    if (!this.isFree) return undefined;
    this.#free -= 1;
    changed("waiting");
    changed("granted");
    return this.#slot(changed);
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
      waiter.changed("granted");
      waiter.grant(this.#slot(waiter.changed));
    }
  }

  #slot(changed: (change: SlotChange) => void): Slot {
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#free += 1;
        changed("released");
        this.#schedule();
      },
    };
  }
}
