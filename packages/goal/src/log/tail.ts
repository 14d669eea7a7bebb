/** The last lines of a log. */
export class Tail {
  readonly #lines: string[] = [];

  constructor(private readonly limit: number) {}

  add(line: string): void {
    if (this.limit === 0) return;
    this.#lines.push(line);
    if (this.#lines.length > this.limit) this.#lines.shift();
  }

  lines(): readonly string[] {
    return [...this.#lines];
  }
}
