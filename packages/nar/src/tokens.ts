import { concatBytes, paddingOf, show } from "./bytes.js";
import { NarError, type NarErrorCode } from "./error.js";
import type { Violation } from "./rules.js";
import type { Word } from "./words.js";

/** What reading throws when it needs more input than there is: go back, and try again with more. */
export const starved = Symbol("starved");

const none = new Uint8Array();
/** Longer than every word of the format; more is not even waited for. */
const longestWord = 32;

/** Reads the strings and numbers of an archive that comes in pieces. */
export class Tokens {
  #input: Uint8Array = none;
  /** Where in the input reading is. */
  #at = 0;
  /** Where in the archive the input begins. */
  #base = 0;
  /** What reading waits for, for the message. */
  #wanted: readonly Word[] | string = "";

  /** Bytes that were read. */
  get offset(): number {
    return this.#base + this.#at;
  }

  /** Goes back to a place that was read since the last piece came. */
  set offset(offset: number) {
    this.#at = offset - this.#base;
  }

  /** Bytes that came and were not read. */
  get rest(): Uint8Array {
    return this.#input.subarray(this.#at);
  }

  push(bytes: Uint8Array): void {
    const { rest } = this;
    this.#base += this.#at;
    this.#at = 0;
    this.#input = rest.length === 0 ? bytes : concatBytes([rest, bytes]);
  }

  /** The one of the allowed words that stands here. */
  word(allowed: readonly Word[], message = "bad archive"): Word {
    const start = this.#at;
    this.#wanted = allowed;
    const length = this.#number();
    if (length > longestWord) this.#refuseWord(start, allowed, message, `a string of ${showLength(length)}`);
    this.#need(length + paddingOf(length));
    for (const word of allowed)
      if (this.#stands(word.block, start)) {
        this.#at = start + word.block.length;
        return word;
      }
    const bytes = this.#input.subarray(this.#at, this.#at + length);
    this.#at += length;
    if (allowed.some(({ text }) => show(bytes) === `'${text}'`)) this.skipPadding(paddingOf(length));
    return this.#refuseWord(start, allowed, message, show(bytes));
  }

  /** A string of at most so many bytes, as a copy: it outlives its piece. */
  string(what: string, most: number, violationOf: (bytes: Uint8Array) => Violation | undefined): Uint8Array {
    const start = this.#at;
    const length = this.length(what, most);
    this.#wanted = what;
    this.#need(length + paddingOf(length));
    const bytes = this.#input.slice(this.#at, this.#at + length);
    const violation = violationOf(bytes);
    if (violation !== undefined) {
      this.#at = start;
      this.refuse(violation.code, violation.message, violation.expected, violation.found);
    }
    this.#at += length;
    this.skipPadding(paddingOf(length));
    return bytes;
  }

  /** The length of a string, checked before anything that long is waited for. */
  length(what: string, most: number): number {
    this.#wanted = `the length of ${what}`;
    const start = this.#at;
    const length = this.#number();
    if (length <= most) return length;
    this.#at = start;
    const expected = `at most ${most} bytes for ${what}`;
    return this.refuse("ERR_NAR_LIMIT", "bad archive", expected, showLength(length));
  }

  /** At least one and at most so many bytes: what there is of them, as a view. */
  some(most: number, what: string): Uint8Array {
    this.#wanted = what;
    this.#need(1);
    const bytes = this.#input.subarray(this.#at, this.#at + most);
    this.#at += bytes.length;
    return bytes;
  }

  skipPadding(length: number): void {
    this.#wanted = "padding";
    this.#need(length);
    for (let left = length; left > 0; left -= 1, this.#at += 1) {
      const byte = this.#input[this.#at] as number;
      if (byte !== 0) this.refuse("ERR_NAR_SYNTAX", "non-zero padding", "a zero byte", `byte ${byte}`);
    }
  }

  refuse(code: NarErrorCode, message: string, expected: string, found: string): never {
    throw new NarError(code, message, { place: { offset: this.offset, expected, found } });
  }

  /** There is no more, and reading waits for it. */
  refuseEnd(): never {
    const expected = typeof this.#wanted === "string" ? this.#wanted : alternatives(this.#wanted);
    const offset = this.#base + this.#input.length;
    throw new NarError("ERR_NAR_TRUNCATED", "unexpected end-of-file", {
      place: { offset, expected, found: "the end" },
    });
  }

  #refuseWord(start: number, allowed: readonly Word[], message: string, found: string): never {
    this.#at = start;
    return this.refuse("ERR_NAR_SYNTAX", message, alternatives(allowed), found);
  }

  #stands(block: Uint8Array, at: number): boolean {
    for (let index = 0; index < block.length; index += 1)
      if (block[index] !== this.#input[at + index]) return false;
    return true;
  }

  /** Exact below 2^53; limits lie below that. */
  #number(): number {
    this.#need(8);
    let value = 0;
    for (let index = 7; index >= 0; index -= 1)
      value = value * 256 + (this.#input[this.#at + index] as number);
    this.#at += 8;
    return value;
  }

  #need(length: number): void {
    if (this.#input.length - this.#at < length) throw starved;
  }
}

function showLength(length: number): string {
  return length <= Number.MAX_SAFE_INTEGER ? `${length} bytes` : "2^53 bytes or more";
}

function alternatives(allowed: readonly Word[]): string {
  return allowed.map(({ text }) => `'${text}'`).join(" or ");
}
