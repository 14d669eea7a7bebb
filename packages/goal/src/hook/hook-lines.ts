import { concatBytes } from "@drvkit/drv-parser";

const newline = 0x0a;
/** A hook that writes a longer line is broken. */
const maxLineBytes = 16 * 1024 * 1024;

/** What a hook writes, line by line. */
export class HookLines {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  #lines: string[] = [];

  constructor(output: AsyncIterable<Uint8Array>) {
    this.#chunks = output[Symbol.asyncIterator]();
  }

  /** The next line without its end; `undefined` when no whole one is left. */
  async next(): Promise<string | undefined> {
    while (this.#lines.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true || this.#restBytes > maxLineBytes) return undefined;
      this.#add(value);
    }
    return this.#lines.shift();
  }

  /** What follows the last line end, of which nothing more comes. */
  get unfinished(): string {
    return new TextDecoder().decode(concatBytes(this.#rest));
  }

  #add(chunk: Uint8Array): void {
    const end = chunk.lastIndexOf(newline);
    if (end >= 0) {
      const whole = concatBytes([...this.#rest, chunk.subarray(0, end)]);
      this.#lines = new TextDecoder().decode(whole).split("\n");
      this.#rest = [];
      this.#restBytes = 0;
    }
    this.#rest.push(chunk.subarray(end + 1));
    this.#restBytes += chunk.length - end - 1;
  }
}
