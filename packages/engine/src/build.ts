import type { BuildResult, Event } from "@drvkit/goal";

/** What a build came to. */
export interface BuildOutcome {
  /** One per target, in their order. */
  readonly results: readonly BuildResult[];
  /** 0, or the exit status of Nix for this kind of failure. */
  readonly exitStatus: number;
  /** What could not be done with the results afterwards: a link that was asked for and not made. `exitStatus` is then not 0. */
  readonly problems: readonly Error[];
}

/**
 * A build under way. Iterate it for its events (one reader, who may come late); await `result` for its outcome.
 * Only the signal given to `engine.build`, or closing the engine, cancels it.
 */
export interface Build extends AsyncIterable<Event> {
  /**
   * Rejects only when the targets themselves are wrong, or with the signal's reason while they are still read; a failed
   * or cancelled build is a value.
   */
  readonly result: Promise<BuildOutcome>;
}

/** Events, and characters of log lines, kept for a reader that has not come yet. */
const limits = { events: 100_000, characters: 16 * 1024 * 1024 };

/** One producer, at most one reader. */
export class EventQueue implements AsyncIterable<Event> {
  #buffer: Event[] = [];
  #characters = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  /** What the reader has begun with, and how far it is. */
  #taken: readonly Event[] = [];
  #next = 0;

  push(event: Event): void {
    this.#buffer.push(event);
    this.#characters += charactersOf(event);
    if (this.#buffer.length > limits.events || this.#characters > limits.characters) this.#makeRoom();
    this.#wake?.();
  }

  /** The older half of the log lines goes first: a reader can do without them, as the log has them. */
  #makeRoom(): void {
    let excess = this.#characters - limits.characters / 2;
    this.#buffer = this.#buffer.filter((event) => {
      if (event.type !== "build-line" || excess <= 0) return true;
      excess -= charactersOf(event);
      return false;
    });
    if (this.#buffer.length > limits.events) this.#buffer = this.#buffer.slice(limits.events / 2);
    this.#characters = this.#buffer.reduce((sum, event) => sum + charactersOf(event), 0);
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** By hand: a generator takes several turns of the event loop's queue for each event. */
  [Symbol.asyncIterator](): AsyncIterator<Event, undefined> {
    return { next: () => this.#read() };
  }

  #read(): Promise<IteratorResult<Event, undefined>> {
    if (this.#next === this.#taken.length) {
      this.#taken = this.#buffer;
      this.#next = 0;
      this.#buffer = [];
      this.#characters = 0;
    }
    const event = this.#taken[this.#next];
    if (event === undefined) return this.#wait();
    this.#next += 1;
    return Promise.resolve({ done: false, value: event });
  }

  async #wait(): Promise<IteratorResult<Event, undefined>> {
    if (this.#ended) return { done: true, value: undefined };
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    return this.#read();
  }
}

/** An empty line takes room, too. */
function charactersOf(event: Event): number {
  return event.type === "build-line" ? event.line.length + 64 : 0;
}
