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

/** Sizes of one object, or of many. */
export interface TransferBytes {
  /** As it is fetched. */
  readonly downloadBytes: number;
  /** As an archive. */
  readonly narBytes: number;
}

/** What the goal of a substituted path says of itself. */
export interface SubstitutionCounters extends GoalCounters {
  /** Somebody offers it in this size; what another one offers instead counts only as far as it is more. */
  expectBytes(bytes: TransferBytes): void;
  /** It has come in this size. */
  doneBytes(bytes: TransferBytes): void;
}

export const noBytes: TransferBytes = { downloadBytes: 0, narBytes: 0 };

/** What a run obtains elsewhere. Every figure only grows; who has obtained something says next that it has ended. */
export class Transfers {
  #expected = noBytes;
  #done = noBytes;

  constructor(private readonly changed: () => void) {}

  get figures() {
    return {
      doneDownloadBytes: this.#done.downloadBytes,
      expectedDownloadBytes: this.#expected.downloadBytes,
      doneNarBytes: this.#done.narBytes,
      expectedNarBytes: this.#expected.narBytes,
    };
  }

  expect(bytes: TransferBytes): void {
    this.#expected = sum(this.#expected, bytes);
    if (bytes.downloadBytes + bytes.narBytes > 0) this.changed();
  }

  done(bytes: TransferBytes): void {
    this.#done = sum(this.#done, bytes);
  }
}

function sum(a: TransferBytes, b: TransferBytes): TransferBytes {
  return { downloadBytes: a.downloadBytes + b.downloadBytes, narBytes: a.narBytes + b.narBytes };
}
