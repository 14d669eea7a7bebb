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

/** What is kept for a reader that has not come yet, or lags: bytes of what builds say, and events of any other type. */
const limits = { saidBytes: 16 * 1024 * 1024, others: 100_000 };

/** An event takes about this much besides its text. */
const eventBytes = 128;

/** One producer, at most one reader. */
export class EventQueue implements AsyncIterable<Event> {
  #buffer: Event[] = [];
  /** Of what is in the buffer. */
  #saidBytes = 0;
  #others = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  /** What the reader has begun with, and how far it is. */
  #taken: readonly Event[] = [];
  #next = 0;

  push(event: Event): void {
    this.#buffer.push(event);
    const bytes = saidBytesOf(event);
    this.#saidBytes += bytes;
    if (bytes === 0) this.#others += 1;
    if (this.#saidBytes > limits.saidBytes || this.#others > limits.others) this.#makeRoom();
    this.#wakeReader();
  }

  /** The older half goes. A reader can do without what builds have said, as the logs have it: nothing else goes for it. */
  #makeRoom(): void {
    const saidAtMost = this.#saidBytes > limits.saidBytes ? limits.saidBytes / 2 : limits.saidBytes;
    const othersAtMost = this.#others > limits.others ? limits.others / 2 : limits.others;
    this.#buffer = this.#buffer.filter((event) => {
      const bytes = saidBytesOf(event);
      if (bytes === 0 ? this.#others <= othersAtMost : this.#saidBytes <= saidAtMost) return true;
      this.#saidBytes -= bytes;
      if (bytes === 0) this.#others -= 1;
      return false;
    });
  }

  end(): void {
    this.#ended = true;
    this.#wakeReader();
  }

  /** Once: Node looks into every promise that is resolved again. */
  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
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
      this.#saidBytes = 0;
      this.#others = 0;
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
    return this.#read();
  }
}

/** Of events whose number builders and hooks decide; 0 for all others. */
function saidBytesOf(event: Event): number {
  switch (event.type) {
    case "build-line":
    case "post-build-hook-line":
      return event.line.length + eventBytes;
    case "build-phase":
      return event.phase.length + eventBytes;
    case "message":
      return event.text.length + eventBytes;
    case "activity":
      return lengthOf(event.message) + eventBytes;
    default:
      return 0;
  }
}

function lengthOf(message: Extract<Event, { type: "activity" }>["message"]): number {
  if (message.action === "stop") return 0;
  const text = message.action === "start" ? message.text.length : 0;
  return message.fields.reduce<number>(
    (sum, field) => sum + (typeof field === "string" ? field.length : 0),
    text,
  );
}
