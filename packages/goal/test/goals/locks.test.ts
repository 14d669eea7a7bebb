import { describe, expect, test } from "vitest";
import { defaultWorkerSettings, runGoals } from "../../src/index.js";
import { FakeSandbox } from "../../src/testing/index.js";
import { recordTraced } from "../support/trace.js";
import { settled, statuses, World } from "../support/world.js";

describe("two runs on one store", () => {
  test("one builds, the other waits, says so once and finds the outputs valid (A10)", async () => {
    const world = new World();
    const drvPath = world.add({ name: "shared" });
    const first = world.run([drvPath]);
    const build = await world.building(drvPath);
    const other = { ...world.ports, sandbox: new FakeSandbox(world.ports.trees) };
    const events = recordTraced();
    const second = runGoals([{ drvPath, outputs: "all" }], {
      ports: other,
      settings: defaultWorkerSettings,
      emit: events.emit,
    });
    await events.next("waiting-for-lock");
    world.ports.clock.advance(5000);
    await settled();
    world.ports.clock.advance(5000);
    await settled();
    build.succeed();
    expect(statuses(await first)).toEqual(["built"]);
    world.ports.clock.advance(5000);
    expect(statuses(await second)).toEqual(["alreadyValid"]);
    expect(events.of("waiting-for-lock")).toMatchObject([{ drvPath, outputs: [world.out(drvPath)] }]);
    expect(events.of("goal-stage").at(-1)).toMatchObject({ from: "build", because: "built-by-another" });
    expect(other.sandbox.builds).toEqual([]);
    expect(world.ports.store.locked.size).toBe(0);
    const third = await world.ports.store.tryLockOutputs([world.out(drvPath)]);
    expect(third).toBeDefined();
  });

  test("who waits for a lock holds no slot", async () => {
    const world = new World();
    const [locked, free] = ["a-locked", "b-free"].map((name) => world.add({ name })) as [never, never];
    const lock = await world.ports.store.tryLockOutputs([world.out(locked)]);
    const running = world.run([locked, free]);
    (await world.building(free)).succeed();
    await lock?.[Symbol.asyncDispose]();
    await settled();
    world.ports.clock.advance(5000);
    (await world.building(locked)).succeed();
    expect(statuses(await running)).toEqual(["built", "built"]);
  });

  test("lock files are deleted only once the outputs are valid", async () => {
    const world = new World();
    const [good, bad] = ["good", "bad"].map((name) => world.add({ name })) as [never, never];
    const running = world.run([good, bad], { keepGoing: true });
    (await world.building(bad)).exit(1);
    (await world.building(good)).succeed();
    await running;
    expect(world.ports.store.deletedLocks).toEqual(new Set([world.out(good)]));
  });
});

test("derivation and output paths are protected before they are looked at", async () => {
  const world = new World();
  const drvPath = world.add({ name: "rooted", outputs: ["out", "dev"] });
  await world.realise([drvPath]);
  expect([...world.ports.store.tempRoots]).toEqual(
    expect.arrayContaining([drvPath, ...Object.values(world.outputs(drvPath))]),
  );
});
