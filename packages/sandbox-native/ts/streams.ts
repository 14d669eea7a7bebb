import { type CancelFlag, makeCancelFlag } from "./cancel.js";
import { type Outcome, unwrap } from "./error.js";
import { loadAddon } from "./platform.js";
import type { ScanResult } from "./types.js";

/**
 * Bytes of this package: an archive, a file, what is compressed or decompressed. Each chunk is produced while the one before is consumed, and
 * no further ahead. Given to another function of this package they get there without passing through JavaScript.
 */
export interface ByteStream extends AsyncIterable<Uint8Array> {
  readonly [byteStream]: true;
}
declare const byteStream: unique symbol;

/** Bytes from anywhere, in pieces of any size; a path stands for the contents of that file. */
export type ByteSource = string | ByteStream | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** What is done to bytes on their way, as the addon takes it. */
export interface Coding {
  readonly codec: string;
  readonly compress: boolean;
  readonly level?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly maxMemoryBytes?: number | undefined;
}

/** A way for bytes in the addon. */
export interface BytePipe {
  push(coding: Coding): void;
  give(bytes: Uint8Array, isLast: boolean): void;
  next(): Promise<Outcome<Uint8Array | null>>;
  scanned(): ScanResult | null;
  close(): Promise<Outcome<void>>;
}

interface StreamsAddon {
  readFile(path: string, cancel: CancelFlag): BytePipe;
  givenBytes(cancel: CancelFlag): BytePipe;
}

const addon = () => loadAddon() as StreamsAddon;

type Given = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Where bytes come from: the addon makes the way; `given` are those it cannot reach itself. */
interface Origin {
  readonly open: (cancel: CancelFlag) => BytePipe;
  readonly given?: Given | undefined;
}

/** A byte stream: what each iteration opens anew. */
export class Bytes implements ByteStream {
  declare readonly [byteStream]: true;
  readonly origin: Origin;
  readonly codings: readonly Coding[];
  readonly signals: readonly AbortSignal[];

  constructor(origin: Origin, codings: readonly Coding[] = [], signals: readonly AbortSignal[] = []) {
    this.origin = origin;
    this.codings = codings;
    this.signals = signals;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return chunksOf(this);
  }
}

/** The stream of a source, which ends early when `signal` is aborted as well. */
export function bytesOf(source: ByteSource, signal: AbortSignal | undefined): Bytes {
  const signals = signal === undefined ? [] : [signal];
  if (source instanceof Bytes)
    return new Bytes(source.origin, source.codings, [...source.signals, ...signals]);
  if (typeof source === "string")
    return new Bytes({ open: (cancel) => addon().readFile(source, cancel) }, [], signals);
  const given = source as Given;
  return new Bytes({ open: (cancel) => addon().givenBytes(cancel), given }, [], signals);
}

async function* chunksOf(bytes: Bytes): AsyncGenerator<Uint8Array, void, undefined> {
  const way = new Way(bytes);
  try {
    let ahead = way.pipe.next();
    for (;;) {
      const chunk = await way.settle(ahead);
      if (chunk === null) return;
      if (chunk.length === 0) await way.feed();
      ahead = way.pipe.next();
      if (chunk.length > 0) yield chunk;
    }
  } finally {
    await way.close();
  }
}

/** Larger ones are handed over in parts: the addon copies what it is given. */
const partBytes = 1024 * 1024;

/** One run through a byte stream. */
export class Way {
  readonly pipe: BytePipe;
  readonly #signals: readonly AbortSignal[];
  readonly #flag: CancelFlag;
  readonly #given: AsyncIterator<Uint8Array> | Iterator<Uint8Array> | undefined;
  #part: Uint8Array = new Uint8Array();
  #isGivenOver: boolean;

  constructor({ origin, codings, signals }: Bytes) {
    for (const signal of signals) signal.throwIfAborted();
    this.#signals = signals;
    this.#flag = makeCancelFlag();
    this.pipe = origin.open(this.#flag);
    for (const coding of codings) this.pipe.push(coding);
    this.#given = origin.given && iteratorOf(origin.given);
    this.#isGivenOver = this.#given === undefined;
    for (const signal of signals) signal.addEventListener("abort", this.#cancel, { once: true });
  }

  /** The value of a native call. @throws the reason of the signal that ended it; else as `unwrap`. */
  async settle<T>(call: Promise<Outcome<T>>): Promise<T> {
    const outcome = await call;
    if (outcome.error?.code === "ERR_CANCELLED") for (const signal of this.#signals) signal.throwIfAborted();
    return unwrap(outcome);
  }

  /** Gives the pipe what comes next, or says that nothing does. */
  async feed(): Promise<void> {
    if (this.#part.length === 0 && this.#given !== undefined) {
      const { value, done } = await this.#orAborted(Promise.resolve(this.#given.next()));
      this.#isGivenOver = done === true;
      this.#part = done === true ? new Uint8Array() : value;
    }
    this.pipe.give(this.#part.subarray(0, partBytes), this.#isGivenOver);
    this.#part = this.#part.subarray(partBytes);
  }

  /** Ends what is under way and closes what bytes come from. */
  async close(): Promise<void> {
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#cancel);
    this.#cancel();
    await this.pipe.close();
    if (this.#isGivenOver) return;
    const returned = Promise.resolve(this.#given?.return?.());
    // A source that is still asked for something answers when it can, which nobody waits for after an abort.
    if (this.#signals.some(({ aborted }) => aborted)) returned.catch(() => undefined);
    else await returned;
  }

  readonly #cancel = () => this.#flag.request();

  /** Listens for as long as this one waits: a promise of the abort would keep every other one in memory. */
  #orAborted<T>(waited: Promise<T>): Promise<T> {
    const signals = this.#signals;
    if (signals.length === 0) return waited;
    return new Promise((resolve, reject) => {
      const abort = () => reject(signals.find(({ aborted }) => aborted)?.reason);
      const stop = () => {
        for (const signal of signals) signal.removeEventListener("abort", abort);
      };
      for (const signal of signals) signal.addEventListener("abort", abort, { once: true });
      waited.then(resolve, reject).finally(stop);
    });
  }
}

function iteratorOf(given: Given): AsyncIterator<Uint8Array> | Iterator<Uint8Array> {
  return Symbol.asyncIterator in given ? given[Symbol.asyncIterator]() : given[Symbol.iterator]();
}
