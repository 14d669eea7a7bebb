import type { BuildResult, Event } from "@drvkit/goal";

/** What a build came to. */
export interface BuildOutcome {
  /** One per target, in their order. */
  readonly results: readonly BuildResult[];
  /** 0, or the exit status of Nix for this kind of failure. */
  readonly exitStatus: number;
}

/**
 * A build under way. Iterate it for its events (one reader, who may come late); await `result` for its outcome.
 * Only the signal given to `engine.build`, or closing the engine, cancels it.
 */
export interface Build extends AsyncIterable<Event> {
  /** Rejects only when the targets themselves are wrong; a failed build is a value. */
  readonly result: Promise<BuildOutcome>;
}

/** Events kept for a reader that has not come yet; beyond it the oldest are dropped. */
const bufferLimit = 100_000;

/** One producer, at most one reader. */
export class EventQueue implements AsyncIterable<Event> {
  #buffer: Event[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  push(event: Event): void {
    if (this.#buffer.length >= bufferLimit) this.#buffer = this.#buffer.slice(bufferLimit / 2);
    this.#buffer.push(event);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event> {
    for (;;) {
      const ready = this.#buffer;
      this.#buffer = [];
      yield* ready;
      if (this.#buffer.length > 0) continue;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
