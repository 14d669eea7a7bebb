import type { StorePath } from "@drvkit/drv-parser";
import { expect, test } from "vitest";
import type { KnownOutputs } from "../../src/ports/store.js";
import { names, outputsOf, statuses, World } from "../support/world.js";

/** How many derivations each question was about. */
function counting({ ports: { store } }: World): readonly number[] {
  const asked: number[] = [];
  const { protectKnownOutputs } = store;
  store.protectKnownOutputs = (drvPaths) => {
    const all = [...drvPaths];
    asked.push(all.length);
    return protectKnownOutputs.call(store, all);
  };
  return asked;
}

const stages = (world: World, goal: string) =>
  world.events.all.flatMap((event) =>
    event.type === "goal-stage" && event.goal.includes(goal)
      ? [`${event.from} ${event.to} ${event.because}`]
      : [],
  );

test("what a run asks for is asked of the store at once, and what is valid has nothing more to do (H4)", async () => {
  const world = new World();
  const valid = ["a", "b", "c"].map((name) => world.add({ name }));
  await world.realise(valid);
  const fresh = world.add({ name: "fresh" });
  const asked = counting(world);
  const outcome = await world.realise([...valid, fresh]);
  expect(statuses(outcome)).toEqual(["alreadyValid", "alreadyValid", "alreadyValid", "built"]);
  expect(outcome.results.slice(0, 3).map((result) => outputsOf(result)["out"])).toEqual(
    valid.map((drvPath) => world.out(drvPath)),
  );
  expect(asked).toEqual([4, 1]); // all of them; then the goal that has something to do
  expect(world.buildOrder()).toEqual(["a", "b", "c", "fresh"]);
});

test("the events are those of any goal that finds everything valid", async () => {
  const world = new World();
  const drvPath = world.add({ name: "a" });
  await world.realise([drvPath]);
  const told = async (...drvPaths: readonly StorePath[]) => {
    const before = world.events.all.length;
    await world.run(drvPaths);
    return world.events.all.slice(before + 1, -1).map(({ atMs: _, ...event }) => event);
  };
  const atOnce = await told(drvPath);
  expect(stages(world, "-a.drv").at(-1)).toBe("load done already-valid");
  expect(atOnce).toHaveLength(3);
  expect(await told(drvPath, drvPath)).toEqual(atOnce); // asked for twice, it is a goal like others
});

test("two requests for one derivation each get the outputs they name", async () => {
  const world = new World();
  const drvPath = world.add({ name: "two", outputs: ["out", "dev"] });
  await world.realise([drvPath]);
  const outcome = await world.run([
    { drvPath, outputs: names("out") },
    { drvPath, outputs: names("dev") },
  ]);
  expect(outcome.results.map((result) => Object.keys(outputsOf(result)))).toEqual([["out"], ["dev"]]);
});

test.each(["check", "repair"] as const)("in mode %s valid outputs are no end", async (mode) => {
  const world = new World();
  const drvPath = world.add({ name: "a" });
  await world.realise([drvPath]);
  await world.realise([drvPath], { mode });
  const because = mode === "check" ? "checked" : "closure-good";
  expect(stages(world, "-a.drv").at(-1)).toContain(`done ${because}`);
});

test("more than are asked for at once are protected and found as well", async () => {
  const world = new World();
  const drvPaths = Array.from({ length: 1001 }, (_, n) => world.add({ name: `n${n}` }));
  const { store } = world.ports;
  store.protectKnownOutputs = async (asked) => {
    const known = new Map<StorePath, KnownOutputs>();
    for (const drvPath of asked) {
      store.tempRoots.add(drvPath);
      const paths = await store.queryDerivationOutputs(drvPath);
      known.set(drvPath, { paths, valid: new Set(paths.values()) });
    }
    return known;
  };
  const asked = counting(world);
  const outcome = await world.run(drvPaths);
  expect(new Set(statuses(outcome))).toEqual(new Set(["alreadyValid"]));
  expect(asked).toEqual([1000, 1]);
  expect(drvPaths.every((drvPath) => store.tempRoots.has(drvPath))).toBe(true);
});

test("a store that cannot tell of all at once fails each goal for itself", async () => {
  const world = new World();
  const drvPaths = ["a", "b"].map((name) => world.add({ name }));
  world.ports.store.protectKnownOutputs = async () => {
    throw new Error("the disk is gone");
  };
  const outcome = await world.run(drvPaths, { keepGoing: true });
  expect(outcome.results).toEqual(
    drvPaths.map((drvPath) =>
      expect.objectContaining({ drvPath, status: "miscFailure", errorMessage: "the disk is gone" }),
    ),
  );
});

test("a run that is aborted while the store is asked starts nothing", async () => {
  const world = new World();
  const drvPath = world.add({ name: "a" });
  const controller = new AbortController();
  const { protectKnownOutputs } = world.ports.store;
  world.ports.store.protectKnownOutputs = (drvPaths) => {
    controller.abort(new Error("enough"));
    return protectKnownOutputs.call(world.ports.store, drvPaths);
  };
  const outcome = await world.run([drvPath], { signal: controller.signal });
  expect(outcome.results).toMatchObject([{ status: "miscFailure", errorMessage: "interrupted by the user" }]);
  expect(world.buildOrder()).toEqual([]);
});
