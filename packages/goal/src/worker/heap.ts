/** Smallest key first; adding and taking cost the logarithm of the size. */
export class KeyHeap<Key extends string, Value> {
  readonly #items: { readonly key: Key; readonly value: Value }[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(key: Key, value: Value): void {
    const items = this.#items;
    let at = items.push({ key, value }) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#key(parent) <= this.#key(at)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** The item with the smallest key, taken out. */
  take(): Value | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first?.value;
    items[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [at * 2 + 1, at * 2 + 2];
      let least = at;
      if (left < items.length && this.#key(left) < this.#key(least)) least = left;
      if (right < items.length && this.#key(right) < this.#key(least)) least = right;
      if (least === at) return first.value;
      this.#swap(at, least);
      at = least;
    }
  }

  #key(at: number): Key {
    return (this.#items[at] as { readonly key: Key }).key;
  }

  #swap(a: number, b: number): void {
    const items = this.#items;
    [items[a], items[b]] = [items[b] as (typeof items)[number], items[a] as (typeof items)[number]];
  }
}
