import type { OutputName } from "@drvkit/drv-parser";

/** Names of outputs, or all of them. */
export type OutputSelection = "all" | ReadonlySet<OutputName>;

/** The outputs that somebody wants of one derivation: may only grow. */
export class WantedOutputs {
  /** Replaced when it grows: most never do, and share what was asked for. */
  #names: OutputSelection;
  #version = 0;

  /** `first`: names of goals keep it. */
  constructor(readonly first: OutputSelection) {
    this.#names = first;
  }

  /** Changes with every growth. */
  get version(): number {
    return this.#version;
  }

  add(selection: OutputSelection): void {
    if (this.#names === "all") return;
    if (selection === "all") {
      this.#names = "all";
      this.#version += 1;
      return;
    }
    for (const name of selection) {
      if (this.#names.has(name)) continue;
      this.#names = new Set([...this.#names, name]);
      this.#version += 1;
    }
  }

  /** Later requests for what there is not are theirs alone. */
  drop(names: readonly OutputName[]): void {
    if (this.#names === "all" || names.length === 0) return;
    this.#names = new Set([...this.#names].filter((name) => !names.includes(name)));
  }

  has(name: OutputName): boolean {
    return this.#names === "all" || this.#names.has(name);
  }

  /** Names that were asked for explicitly. */
  names(): "all" | readonly OutputName[] {
    return this.#names === "all" ? "all" : [...this.#names];
  }
}
