import { describe, expect, test } from "vitest";
import type { GoalKey } from "../../src/worker/goal-key.js";
import { Passes } from "../../src/worker/passes.js";
import { settled } from "../support/world.js";

/** Goals that have `turns` turns each and say so. */
function run(passes: Passes, goals: Readonly<Record<string, number>>) {
  const said: string[] = [];
  const goal = async (key: GoalKey, turns: number) => {
    for (let turn = 1; turn <= turns; turn += 1) {
      await passes.turn(key);
      said.push(`${key}${turn}`);
    }
    passes.leave(key);
  };
  return { said, ended: Promise.all(Object.entries(goals).map(([key, n]) => goal(key as GoalKey, n))) };
}

describe("passes", () => {
  test("give everybody one turn each, smallest key first", async () => {
    const { said, ended } = run(new Passes(), { c: 2, a: 2, b: 3 });
    await ended;
    expect(said).toEqual(["a1", "b1", "c1", "a2", "b2", "c2", "b3"]);
  });

  test("give one turn at a time: the next waits until the turn was left", async () => {
    const passes = new Passes();
    const [a, b] = ["a", "b"] as GoalKey[] as [GoalKey, GoalKey];
    const said: string[] = [];
    void passes.turn(a).then(() => said.push("a"));
    void passes.turn(b).then(() => said.push("b"));
    await settled();
    expect(said).toEqual(["a"]);
    passes.leave(b); // who does not have the turn cannot end it
    await settled();
    expect(said).toEqual(["a"]);
    passes.leave(a);
    await settled();
    expect(said).toEqual(["a", "b"]);
  });

  test("let decisions fall between them, not within", async () => {
    const passes = new Passes();
    const { said, ended } = run(passes, { a: 2, b: 2 });
    passes.betweenPasses(() => said.push("first"));
    await passes.turn("" as GoalKey);
    passes.betweenPasses(() => said.push("second"));
    passes.leave("" as GoalKey);
    await ended;
    expect(said).toEqual(["first", "a1", "b1", "second", "a2", "b2"]);
  });

  test("leave the event loop its turn among many goals", async () => {
    const passes = new Passes();
    let immediates = 0;
    const count = () => {
      immediates += 1;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    await run(passes, Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`g${index}`, 1]))).ended;
    clearImmediate(timer);
    expect(immediates).toBeGreaterThan(10);
  });
});
