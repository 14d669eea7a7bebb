import type { Derivation, StorePath } from "@drvkit/drv-parser";

const limit = 256;

/** Derivations read lately. Goals hold paths and read again: a parsed derivation is large. */
export class DerivationCache {
  readonly #recent = new Map<StorePath, Promise<Derivation>>();

  constructor(private readonly read: (drvPath: StorePath) => Promise<Derivation>) {}

  get(drvPath: StorePath): Promise<Derivation> {
    const found = this.#recent.get(drvPath) ?? this.read(drvPath);
    this.#recent.delete(drvPath);
    this.#recent.set(drvPath, found);
    if (this.#recent.size > limit) this.#recent.delete(this.#recent.keys().next().value as StorePath);
    found.catch(() => this.#recent.delete(drvPath));
    return found;
  }
}
