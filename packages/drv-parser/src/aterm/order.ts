import { compareBytes } from "../bytes/text.js";
import type { Cursor } from "./cursor.js";

/** Watches that keys ascend. */
export class Order {
  /** Whether they do so far, each once. */
  ascends = true;
  #previous: Uint8Array | undefined;

  constructor(private readonly cursor: Cursor) {}

  next(key: Uint8Array, offset: number): void {
    if (this.#previous !== undefined) {
      const difference = compareBytes(this.#previous, key);
      if (difference >= 0) this.ascends = false;
      if (difference === 0) this.cursor.irregularity(offset, "a repeated entry");
      else if (difference > 0) this.cursor.irregularity(offset, "an unsorted entry");
    }
    this.#previous = key;
  }
}
