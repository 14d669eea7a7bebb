/** Who is told of an abort. */
export interface AbortListener {
  aborted(): void;
}

/**
 * Tells a goal that nobody waits for it any more. The signal is made for the first who asks for it: most goals end before
 * anybody does.
 */
export class Cancellation {
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  #isOver = false;
  #listener: AbortListener | undefined;

  /** One that aborts with a signal. */
  static following(signal: AbortSignal): Cancellation & Disposable {
    const cancellation = new Cancellation();
    const abort = () => cancellation.abort(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    return Object.assign(cancellation, {
      [Symbol.dispose]: () => signal.removeEventListener("abort", abort),
    });
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get isAborted(): boolean {
    return this.#reason !== undefined;
  }

  /** The goal has ended, or its end is decided. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** @throws the reason of the abort, if there was one. */
  throwIfAborted(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Calls back at the abort; a goal waits for one thing at a time, so there is one listener or none. */
  onAbort(listener: AbortListener | undefined): void {
    this.#listener = listener;
  }

  /** Without effect on a goal that has ended. */
  abort(reason: Error): void {
    if (this.#isOver || this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#listener?.aborted();
  }

  /** The goal has ended. */
  end(): void {
    this.#isOver = true;
  }
}
