import type { ClockPort } from "../ports/clock.js";

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Time that stands still until the test moves it. */
export class FakeClock implements ClockPort {
  readonly #timers = new Set<Timer>();
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
    const timer = { atMs: this.#nowMs + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** How long until the first timer is due. */
  get nextInMs(): number | undefined {
    const first = this.#due(Number.POSITIVE_INFINITY);
    return first === undefined ? undefined : Math.max(0, first.atMs - this.#nowMs);
  }

  /** Moves time on; what is due is called in the order of its time. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (let next = this.#due(end); next !== undefined; next = this.#due(end)) {
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = end;
  }

  #due(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers)
      if (timer.atMs <= end && (first === undefined || timer.atMs < first.atMs)) first = timer;
    return first;
  }
}
