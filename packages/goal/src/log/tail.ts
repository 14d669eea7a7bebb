/** The last lines of a log. */
export class Tail {
  readonly #lines: string[] = [];
  /** Where the oldest one is, once there are as many as may be. */
  #oldest = 0;

  constructor(private readonly limit: number) {}

  add(line: string): void {
    if (this.#lines.length < this.limit) this.#lines.push(line);
    else if (this.limit > 0) {
      this.#lines[this.#oldest] = line;
      this.#oldest = (this.#oldest + 1) % this.limit;
    }
  }

  lines(): readonly string[] {
    return [...this.#lines.slice(this.#oldest), ...this.#lines.slice(0, this.#oldest)];
  }
}
