/** How many, as events have it. */
export interface Figures {
  readonly done: number;
  readonly expected: number;
  readonly running: number;
  readonly failed: number;
}

/** Goals of one kind in a run. Every figure but `running` only grows. */
export class Counters {
  #done = 0;
  #expected = 0;
  #running = 0;
  #failed = 0;

  constructor(private readonly changed: () => void) {}

  get figures(): Figures {
    return { done: this.#done, expected: this.#expected, running: this.#running, failed: this.#failed };
  }

  /** A goal found that it has to build. */
  expect(): void {
    this.#expected += 1;
    this.changed();
  }

  start(): void {
    this.#running += 1;
    this.changed();
  }

  stop(): void {
    this.#running -= 1;
    this.changed();
  }

  /** A goal that was expected to build has ended. */
  end(outcome: "done" | "failed" | "dropped"): void {
    if (outcome === "done") this.#done += 1;
    if (outcome === "failed") this.#failed += 1;
    if (outcome !== "dropped") this.changed();
  }
}
