import { bytesOf, compareBytes, textOf } from "../bytes/text.js";

/** A variable: its name and its value. */
type Entry = readonly [name: Uint8Array, value: Uint8Array];

/** Variables of a derivation: an immutable map from bytes to bytes, in byte order of the names. */
export class Environment {
  /** Names ascend strictly, so that they are found by halving. */
  readonly #entries: readonly Entry[];

  private constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  /**
   * From pairs in any order; a repeated name keeps its last value, as Nix does.
   *
   * @param entries Names and values; both are kept as they are, not copied.
   */
  static from(entries: Iterable<Entry>): Environment {
    const all = [...entries];
    if (all.every(([name], index) => index === 0 || compareBytes((all[index - 1] as Entry)[0], name) < 0))
      return new Environment(all);
    // Sorting is stable: of one name the last stays last.
    all.sort(([a], [b]) => compareBytes(a, b));
    return new Environment(
      all.filter(([name], index) => {
        const next = all[index + 1];
        return next === undefined || compareBytes(name, next[0]) !== 0;
      }),
    );
  }

  /** From pairs whose names ascend strictly, which is not looked at again. @internal */
  static fromAscending(entries: readonly Entry[]): Environment {
    return new Environment(entries);
  }

  /** Number of variables. */
  get size(): number {
    return this.#entries.length;
  }

  /** Whether there is a variable of this name. */
  has(name: string | Uint8Array): boolean {
    return this.get(name) !== undefined;
  }

  /** The value of a variable, `undefined` when there is none. */
  get(name: string | Uint8Array): Uint8Array | undefined {
    const bytes = nameBytes(name);
    const entry = this.#entries[this.#position(bytes)];
    return entry !== undefined && compareBytes(entry[0], bytes) === 0 ? entry[1] : undefined;
  }

  /**
   * The value as text.
   *
   * @throws {@link DrvError} `ERR_NOT_UTF8` when it is none.
   */
  getText(name: string | Uint8Array): string | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : textOf(value);
  }

  /** Names and values, in byte order of the names. */
  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  /** A copy in which `name` has this value. */
  with(name: string | Uint8Array, value: Uint8Array): Environment {
    const bytes = nameBytes(name);
    const entries = [...this.#entries];
    entries.splice(this.#position(bytes), this.has(bytes) ? 1 : 0, [bytes, value]);
    return new Environment(entries);
  }

  /** Index of the first entry whose name is not before `name`. */
  #position(name: Uint8Array): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes((this.#entries[middle] as Entry)[0], name) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function nameBytes(name: string | Uint8Array): Uint8Array {
  return typeof name === "string" ? bytesOf(name) : name;
}
