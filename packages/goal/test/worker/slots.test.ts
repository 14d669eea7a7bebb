import { describe, expect, test } from "vitest";
import type { GoalKey } from "../../src/worker/goal-key.js";
import { Passes } from "../../src/worker/passes.js";
import { type Slot, Slots } from "../../src/worker/slots.js";
import { settled } from "../support/world.js";

const never = new AbortController().signal;

/** A pool, what it says, and the slots it granted by key. */
function pool(size: number) {
  const changes: string[] = [];
  const granted = new Map<string, Slot>();
  const slots = new Slots(size, new Passes());
  const acquire = async (key: string, signal: AbortSignal = never) => {
    const slot = await slots.acquire(key as GoalKey, signal, (change) => changes.push(`${key} ${change}`));
    granted.set(key, slot);
    return slot;
  };
  const release = (key: string) => granted.get(key)?.[Symbol.dispose]();
  return { acquire, release, granted, changes };
}

const refused = (acquired: Promise<unknown>) =>
  acquired.then(
    () => "granted",
    (reason: Error) => reason.message,
  );

describe("slots", () => {
  test("are granted in the order of keys, whatever the order asked for", async () => {
    const { acquire, granted, release } = pool(1);
    for (const key of ["c", "a", "b"]) void acquire(key);
    await settled();
    expect([...granted.keys()]).toEqual(["a"]);
    for (const key of ["a", "b", "c"]) {
      release(key);
      await settled();
    }
    expect([...granted.keys()]).toEqual(["a", "b", "c"]);
  });

  test("are never more than there are", async () => {
    const { acquire, granted, release } = pool(2);
    for (const key of ["a", "b", "c", "d"]) void acquire(key);
    await settled();
    expect([...granted.keys()]).toEqual(["a", "b"]);
    release("a");
    await settled();
    expect([...granted.keys()]).toEqual(["a", "b", "c"]);
  });

  test("come back once, however often they are given back", async () => {
    const { acquire, granted, release } = pool(1);
    for (const key of ["a", "b", "c"]) void acquire(key);
    await settled();
    release("a");
    release("a");
    await settled();
    expect([...granted.keys()]).toEqual(["a", "b"]);
  });

  test("of one who left before go to the next", async () => {
    const { acquire, granted, release } = pool(1);
    const control = new AbortController();
    void acquire("a");
    const left = refused(acquire("b", control.signal));
    void acquire("c");
    await settled();
    control.abort(new Error("unwanted"));
    expect(await left).toBe("unwanted");
    release("a");
    await settled();
    expect([...granted.keys()]).toEqual(["a", "c"]);
  });

  test("are not asked for by who has left already", async () => {
    const { acquire, changes } = pool(1);
    expect(await refused(acquire("a", AbortSignal.abort(new Error("unwanted"))))).toBe("unwanted");
    expect(changes).toEqual([]);
  });

  test("once granted are kept when the signal aborts, and still come back", async () => {
    const { acquire, granted, release } = pool(1);
    const control = new AbortController();
    await acquire("a", control.signal);
    control.abort();
    void acquire("b");
    await settled();
    expect(granted.has("b")).toBe(false);
    release("a");
    await settled();
    expect(granted.has("b")).toBe(true);
  });

  test("tell of every change", async () => {
    const { acquire, changes, release } = pool(1);
    await acquire("a");
    release("a");
    expect(changes).toEqual(["a waiting", "a granted", "a released"]);
  });
});
