import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KeyHeap } from "../../src/worker/heap.js";

function taken<Value>(heap: KeyHeap<string, Value>): readonly Value[] {
  return Array.from({ length: heap.size }, () => heap.take() as Value);
}

describe("a heap of keys", () => {
  test("gives what was added, smallest key first, however it was added", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 3 })), (keys) => {
        const heap = new KeyHeap<string, string>();
        for (const key of keys) heap.add(key, key);
        expect(taken(heap)).toEqual([...keys].sort());
      }),
    );
  });

  test("stays in order while it is added to and taken from in turns", () => {
    const step = fc.oneof(fc.string({ maxLength: 2 }), fc.constant(undefined));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const heap = new KeyHeap<string, string>();
        let model: string[] = [];
        for (const key of steps) {
          if (key === undefined) {
            expect(heap.take()).toBe(model[0]);
            model = model.slice(1);
          } else {
            heap.add(key, key);
            model = [...model, key].sort();
          }
          expect(heap.size).toBe(model.length);
        }
      }),
    );
  });

  test("keeps several values of one key", () => {
    const heap = new KeyHeap<string, number>();
    for (const value of [1, 2, 3]) heap.add("same", value);
    expect([...taken(heap)].sort()).toEqual([1, 2, 3]);
  });

  test("gives nothing when it is empty", () => {
    expect(new KeyHeap().take()).toBeUndefined();
  });
});
