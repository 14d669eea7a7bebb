import { describe, expect, test } from "vitest";
import { Cancellation } from "../../src/worker/cancellation.js";

const reason = new Error("enough");

describe("a cancellation", () => {
  test("aborts the signal that was asked for before, and the one that is asked for later", () => {
    const [before, after] = [new Cancellation(), new Cancellation()];
    const { signal } = before;
    for (const each of [before, after]) each.abort(reason);
    expect([signal.aborted, signal.reason]).toEqual([true, reason]);
    expect([after.signal.aborted, after.signal.reason]).toEqual([true, reason]);
    expect(() => after.throwIfAborted()).toThrow(reason);
  });

  test("keeps its first reason", () => {
    const cancellation = new Cancellation();
    cancellation.abort(reason);
    cancellation.abort(new Error("more than enough"));
    expect(() => cancellation.throwIfAborted()).toThrow(reason);
    expect(cancellation.signal.reason).toBe(reason);
  });

  test("does nothing to a goal that has ended", () => {
    const cancellation = new Cancellation();
    cancellation.end();
    cancellation.abort(reason);
    expect([cancellation.isAborted, cancellation.signal.aborted]).toEqual([false, false]);
  });
});
