import { GoalError } from "../../error.js";
import type { LogWriter } from "../../ports/log.js";
import type { GoalContext } from "../../worker/context.js";
import { BuildOutput } from "./build-output.js";

/** What a hook says that its builder wrote: one piece after another, and none once the build is over. */
export class HookOutput implements AsyncDisposable {
  readonly #limit = new AbortController();
  readonly #output: BuildOutput;
  #written: Promise<void> = Promise.resolve();
  #stopped: string | undefined;
  #isOver = false;
  /** Aborts when nobody waits for the build any more, or it has written too much. */
  readonly signal: AbortSignal;

  constructor(
    private readonly log: LogWriter,
    cx: GoalContext,
  ) {
    this.#output = new BuildOutput(log, cx);
    this.signal = AbortSignal.any([cx.signal, this.#limit.signal]);
  }

  write(bytes: Uint8Array): Promise<void> {
    if (!this.#isOver) this.#written = this.#written.then(() => this.#take(bytes));
    return this.#written;
  }

  /** The last lines, and why it had to end if that was our doing. */
  async end(): Promise<{ readonly tail: readonly string[]; readonly stopped: string | undefined }> {
    this.#isOver = true;
    await this.#written;
    return { tail: this.#output.end(), stopped: this.#stopped };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close();
  }

  async #take(bytes: Uint8Array): Promise<void> {
    if (this.#stopped !== undefined) return;
    this.#stopped = await this.#output.write(bytes);
    if (this.#stopped !== undefined) this.#limit.abort(new GoalError("ERR_BUILD_FAILED", this.#stopped));
  }
}
