import { describe, expect, test } from "vitest";
import { nameOf, settled, statuses, World } from "../support/world.js";

describe("order", () => {
  test("with one slot builds go in the order of their keys, whatever the order asked for", async () => {
    const world = new World();
    const drvs = ["baboon", "caiman", "aardvark"].map((name) => world.add({ name }));
    await world.realise(drvs);
    expect(world.buildOrder()).toEqual(["aardvark", "baboon", "caiman"]);
  });

  test("with two slots two builders run, and a freed slot goes to the smallest key", async () => {
    const world = new World();
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => world.add({ name })) as [
      never,
      never,
      never,
      never,
    ];
    const running = world.run([d, c, b, a], { maxJobs: 2 });
    const [first, second] = [await world.building(a), await world.building(b)];
    await settled();
    expect(world.ports.sandbox.running()).toHaveLength(2);
    second.succeed();
    (await world.building(c)).succeed();
    (await world.building(d)).succeed();
    first.succeed();
    expect((await running).exitStatus).toBe(0);
  });

  test("does not depend on how long the store takes to answer", async () => {
    const world = new World();
    const drvs = ["aa", "bb", "cc"].map((name) => world.add({ name }));
    const { store } = world.ports;
    const readDerivation = store.readDerivation.bind(store);
    store.readDerivation = async (drvPath) => {
      if (drvPath === drvs[0]) await settled();
      return readDerivation(drvPath);
    };
    await world.realise(drvs);
    expect(world.buildOrder()).toEqual(["aa", "bb", "cc"]);
  });

  test("a builder starts while the rest of a deep graph is still looked at", async () => {
    const world = new World();
    const early = world.add({ name: "early" });
    let top = early;
    for (let depth = 0; depth < 10; depth += 1) top = world.add({ name: `level${depth}`, inputs: [top] });
    await world.realise([early, top]);
    const types = world.events.all.map((event) => event.type);
    expect(types.indexOf("build-started")).toBeLessThan(types.lastIndexOf("goal-created"));
  });

  test("a slot is free while the outputs of its build are still looked at", async () => {
    const world = new World();
    const [a, b] = ["a", "b"].map((name) => world.add({ name })) as [never, never];
    const { trees } = world.ports;
    const scan = trees.canonicaliseAndScan.bind(trees);
    let goOn = () => {};
    trees.canonicaliseAndScan = async (path, hashParts, options) => {
      if (path.includes(world.out(a)))
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
      return scan(path, hashParts, options);
    };
    const running = world.run([a, b]);
    (await world.building(a)).succeed();
    const second = await world.building(b);
    goOn();
    second.succeed();
    expect(statuses(await running)).toEqual(["built", "built"]);
  });

  test("inputs are built before what needs them, a shared one once", async () => {
    const world = new World();
    const base = world.add({ name: "base" });
    const left = world.add({ name: "left", inputs: [base] });
    const right = world.add({ name: "right", inputs: [base] });
    const top = world.add({ name: "top", inputs: [left, right] });
    const { results } = await world.realise([top], { maxJobs: 4 });
    expect(world.buildOrder()).toEqual(["base", "left", "right", "top"]);
    expect(results).toMatchObject([{ drvPath: top, status: "built" }]);
    expect(world.events.of("goal-created")).toHaveLength(4);
  });

  test("a second run builds nothing", async () => {
    const world = new World();
    const base = world.add({ name: "base" });
    const top = world.add({ name: "top", inputs: [base] });
    await world.realise([top]);
    expect(statuses(await world.run([top]))).toEqual(["alreadyValid"]);
    expect(world.ports.sandbox.builds).toHaveLength(2);
  });
});

describe("requests", () => {
  test("results come in the order of the requests, one for each, also for the same twice", async () => {
    const world = new World();
    const [a, b] = ["a", "b"].map((name) => world.add({ name })) as [never, never];
    const { results } = await world.realise([b, a, b]);
    expect(results.map(({ drvPath }) => nameOf(drvPath))).toEqual(["b", "a", "b"]);
    expect(world.ports.sandbox.builds).toHaveLength(2);
  });

  test("a path as it is: valid, or nobody can build it", async () => {
    const world = new World();
    const valid = world.ports.store.addText("valid", "text");
    const missing = world.out(world.add({ name: "missing" }));
    const { results, exitStatus } = await world.run([{ path: missing }, { path: valid }]);
    expect(results).toMatchObject([
      {
        status: "noSubstituters",
        errorMessage: `path '${missing}' is required, but there is no substituter that can build it`,
      },
      { status: "alreadyValid", drvPath: valid },
    ]);
    expect(exitStatus).toBe(1);
  });

  test("a path that the store cannot tell of is the failure of that request alone", async () => {
    const world = new World();
    const path = world.ports.store.addText("valid", "text");
    const drvPath = world.add({ name: "built" });
    const { addTempRoots } = world.ports.store;
    world.ports.store.addTempRoots = async (each) => {
      if ([...each].includes(path)) throw Object.assign(new Error("disk on fire"), { code: "ERR_STORE_IO" });
      await addTempRoots.call(world.ports.store, each);
    };
    const { results, exitStatus } = await world.realise([{ path }, drvPath], { keepGoing: true });
    expect(results).toMatchObject([
      { status: "miscFailure", errorMessage: "disk on fire", errorCode: "ERR_STORE_IO" },
      { status: "built" },
    ]);
    expect(exitStatus).toBe(1);
    expect(world.events.all.at(-1)?.type).toBe("run-finished");
  });

  test("nothing asked for is done at once", async () => {
    expect(await new World().run([])).toEqual({ results: [], exitStatus: 0 });
  });
});

describe("progress", () => {
  test("never runs backwards and ends complete", async () => {
    const world = new World();
    const inputs = ["a", "b", "c"].map((name) => world.add({ name }));
    const top = world.add({ name: "top", inputs });
    await world.realise([top], { maxJobs: 2 });
    const counts = world.events.of("progress").map(({ builds }) => builds);
    for (const [index, now] of counts.entries()) {
      const before = counts[index - 1] ?? { done: 0, expected: 0, failed: 0 };
      expect(now.done).toBeGreaterThanOrEqual(before.done);
      expect(now.expected).toBeGreaterThanOrEqual(before.expected);
      expect(now.failed).toBeGreaterThanOrEqual(before.failed);
      expect(now.running).toBeLessThanOrEqual(2);
      expect(now.done + now.failed).toBeLessThanOrEqual(now.expected);
    }
    expect(counts.at(-1)).toEqual({ done: 4, expected: 4, running: 0, failed: 0 });
  });

  test("what is valid already is never expected to build", async () => {
    const world = new World();
    const drvPath = world.add({ name: "valid" });
    await world.realise([drvPath]);
    const before = world.events.of("progress").length;
    await world.run([drvPath]);
    expect(world.events.of("progress")).toHaveLength(before);
  });
});
