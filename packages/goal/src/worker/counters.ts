/** How many, as events have it. */
export interface Figures {
  readonly done: number;
  readonly expected: number;
  readonly running: number;
  readonly failed: number;
}

/** What a goal says of itself. */
export interface GoalCounters {
  /** It has to build, or to obtain something. */
  expect(): void;
  start(): void;
  stop(): void;
  /** It has ended, if it was expected. */
  end(outcome: "done" | "failed" | "dropped"): void;
}

/** Goals of one kind in a run. Every figure but `running` only grows. */
export class Counters implements GoalCounters {
  #done = 0;
  #expected = 0;
  #running = 0;
  #failed = 0;

  constructor(private readonly changed: () => void) {}

  get figures(): Figures {
    return { done: this.#done, expected: this.#expected, running: this.#running, failed: this.#failed };
  }

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

  end(outcome: "done" | "failed" | "dropped"): void {
    if (outcome === "done") this.#done += 1;
    if (outcome === "failed") this.#failed += 1;
    if (outcome !== "dropped") this.changed();
  }
}
