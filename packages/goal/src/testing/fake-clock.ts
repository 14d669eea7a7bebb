import type { ClockPort } from "../ports/clock.js";

interface Timer {
  readonly atMs: number;
  /** Of timers that are due together the one that was set first is called first. */
  readonly order: number;
  readonly callback: () => void;
}

/** Time that stands still until the test moves it. */
export class FakeClock implements ClockPort {
  /** First to last. */
  readonly #timers: Timer[] = [];
  #set = 0;
  #nowMs = 0;

  /** `epochSeconds`: wall-clock time at the start. */
  constructor(private readonly epochSeconds = 1_700_000_000) {}

  monotonicMs(): number {
    return this.#nowMs;
  }

  nowSeconds(): number {
    return this.epochSeconds + Math.floor(this.#nowMs / 1000);
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, order: this.#set++, callback };
    this.#timers.splice(this.#placeOf(timer), 0, timer);
    return () => {
      const place = this.#placeOf(timer);
      if (this.#timers[place] === timer) this.#timers.splice(place, 1);
    };
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** How long until the first timer is due. */
  get nextInMs(): number | undefined {
    const [first] = this.#timers;
    return first === undefined ? undefined : Math.max(0, first.atMs - this.#nowMs);
  }

  /** Moves time on; what is due is called in the order of its time. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (let [next] = this.#timers; next !== undefined && next.atMs <= end; [next] = this.#timers) {
      this.#timers.shift();
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = end;
  }

  /** Where it is, or belongs. */
  #placeOf({ atMs, order }: Timer): number {
    let [low, high] = [0, this.#timers.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#timers[middle] as Timer;
      if (other.atMs < atMs || (other.atMs === atMs && other.order < order)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
