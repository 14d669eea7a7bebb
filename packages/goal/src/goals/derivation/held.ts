import type { OutputLocks } from "../../ports/store.js";
import type { Slot } from "../../worker/slots.js";

/** What a goal holds to build: neither is held while waiting for the other, and both end with the scope. */
export class Held implements AsyncDisposable {
  slot: Slot | undefined;
  locks: OutputLocks | undefined;

  /** Given back as soon as the builder has ended, or builds elsewhere: what follows needs no slot. */
  releaseSlot(): void {
    this.slot?.[Symbol.dispose]();
    this.slot = undefined;
  }

  async release(): Promise<void> {
    const { locks } = this;
    this.locks = undefined;
    this.releaseSlot();
    await locks?.[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
