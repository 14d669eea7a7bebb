import { bytesOf, compareBytes, textOf } from "../bytes/text.js";

type Entry = readonly [name: Uint8Array, value: Uint8Array];

/** Bytes as a string of code units 0–255: a key of a `Map` that loses nothing and sorts in byte order. */
function keyOf(name: string | Uint8Array): string {
  const bytes = typeof name === "string" ? bytesOf(name) : name;
  let key = "";
  for (const byte of bytes) key += String.fromCharCode(byte);
  return key;
}

/** Variables of a derivation: an immutable map from bytes to bytes, in byte order of the names. */
export class Environment {
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries;
  }

  /** From pairs in any order; a repeated name keeps its last value, as Nix does. */
  static from(entries: Iterable<Entry>): Environment {
    const byKey = new Map<string, Entry>();
    let sorted = true;
    let previous: Uint8Array | undefined;
    for (const entry of entries) {
      if (previous !== undefined && compareBytes(previous, entry[0]) >= 0) sorted = false;
      previous = entry[0];
      byKey.set(keyOf(entry[0]), entry);
    }
    if (sorted) return new Environment(byKey);
    return new Environment(new Map([...byKey].sort(([, [a]], [, [b]]) => compareBytes(a, b))));
  }

  get size(): number {
    return this.#entries.size;
  }

  has(name: string | Uint8Array): boolean {
    return this.#entries.has(keyOf(name));
  }

  get(name: string | Uint8Array): Uint8Array | undefined {
    return this.#entries.get(keyOf(name))?.[1];
  }

  /** The value as text. @throws `ERR_NOT_UTF8` when it is none. */
  getText(name: string | Uint8Array): string | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : textOf(value);
  }

  /** In byte order of the names. */
  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  /** A copy in which `name` has this value. */
  with(name: string | Uint8Array, value: Uint8Array): Environment {
    const bytes = typeof name === "string" ? bytesOf(name) : name;
    return Environment.from([...this.entries(), [bytes, value]]);
  }
}
