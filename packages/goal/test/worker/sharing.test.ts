import { bytesOf, type StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { type BuildMode, defaultWorkerSettings, type GoalRequest, makeWorker } from "../../src/index.js";
import { type FakeBuild, FakeSubstituter, memoryPorts } from "../../src/testing/index.js";
import { recordTraced } from "../support/trace.js";
import { failureOf, nameOf, names, outputsOf, settled, statuses, World } from "../support/world.js";

/** A worker, and runs on it that each have their own events. */
function shared(
  settings: Partial<typeof defaultWorkerSettings> = {},
  mode: BuildMode = "normal",
  world = new World(),
) {
  const worker = makeWorker({
    ports: world.ports,
    settings: { ...defaultWorkerSettings, ...settings },
    mode,
  });
  const run = (requests: readonly (StorePath | GoalRequest)[]) => {
    const controller = new AbortController();
    const events = recordTraced();
    const outcome = worker.run(
      requests.map((request) =>
        typeof request === "string" ? { drvPath: request, outputs: "all" as const } : request,
      ),
      { signal: controller.signal, emit: events.emit },
    );
    return { outcome, events, cancel: () => controller.abort() };
  };
  return { world, run };
}

const typesFor = (events: ReturnType<typeof recordTraced>, drvPath: string) =>
  events.all.flatMap((event) => ("goal" in event && event.goal?.endsWith(drvPath) ? [event.type] : []));

describe("two runs on one worker", () => {
  test("share a goal; one is cancelled, the other finishes, nothing is built twice", async () => {
    const { world, run } = shared();
    const lib = world.add({ name: "lib" });
    const [one, two] = ["one", "two"].map((name) => world.add({ name, inputs: [lib] })) as [
      StorePath,
      StorePath,
    ];
    const [first, second] = [run([one]), run([two])];
    const build = await world.building(lib);
    first.cancel();
    const cancelled = await first.outcome;
    expect([statuses(cancelled), cancelled.exitStatus]).toEqual([["miscFailure"], 1]);
    expect([build.killed, world.ports.store.locked.size]).toEqual([false, 1]);
    build.succeed();
    (await world.ports.sandbox.nextBuild()).succeed();
    const outcome = await second.outcome;
    expect([statuses(outcome), outcome.exitStatus]).toEqual([["built"], 0]);
    expect(world.buildOrder()).toEqual(["lib", "two"]);
    expect(world.ports.store.locked.size).toBe(0);
  });

  test("abort a goal when the last one leaves", async () => {
    const { world, run } = shared();
    const lib = world.add({ name: "lib" });
    const [first, second] = [run([lib]), run([lib])];
    const build = await world.building(lib);
    first.cancel();
    await first.outcome;
    expect(build.killed).toBe(false);
    second.cancel();
    expect(statuses(await second.outcome)).toEqual(["miscFailure"]);
    expect([build.killed, build.closed, world.ports.store.locked.size]).toEqual([true, expect.anything(), 0]);
  });

  test("are both told of what they need, and the later one of how far that is", async () => {
    const { world, run } = shared();
    const lib = world.add({ name: "lib" });
    const [one, two] = ["one", "two"].map((name) => world.add({ name, inputs: [lib] })) as [
      StorePath,
      StorePath,
    ];
    const first = run([one]);
    const build = await world.building(lib);
    build.write("before\n");
    await settled();
    const second = run([two]);
    await settled();
    expect(typesFor(second.events, lib)).toEqual(["goal-created", "goal-stage", "build-started"]);
    expect(second.events.of("progress").at(-1)?.builds).toMatchObject({ running: 1, expected: 2 });
    build.write("after\n");
    build.succeed();
    for (let each = 0; each < 2; each += 1) (await world.ports.sandbox.nextBuild()).succeed();
    await Promise.all([first.outcome, second.outcome]);
    const lines = (events: typeof first.events) => events.of("build-line").map(({ line }) => line);
    expect([lines(first.events), lines(second.events)]).toEqual([["before", "after"], ["after"]]);
    expect(typesFor(first.events, two)).toEqual([]);
    expect(typesFor(second.events, one)).toEqual([]);
    for (const { events } of [first, second]) {
      expect(events.of("progress").at(-1)?.builds).toEqual({ done: 2, expected: 2, running: 0, failed: 0 });
      expect(events.all.at(-1)?.type).toBe("run-finished");
    }
  });

  test("of which one comes for what the other's goal waits for is told of all below", async () => {
    const { world, run } = shared();
    const lib = world.add({ name: "lib" });
    const middle = world.add({ name: "middle", inputs: [lib] });
    const top = world.add({ name: "top", inputs: [middle] });
    const first = run([top]);
    const build = await world.building(lib);
    const second = run([middle]);
    await settled();
    expect(typesFor(second.events, lib)).toContain("build-started");
    build.succeed();
    (await world.building(middle)).succeed();
    expect(statuses(await second.outcome)).toEqual(["built"]);
    expect(typesFor(second.events, top)).toEqual([]);
    (await world.building(top)).succeed();
    expect(statuses(await first.outcome)).toEqual(["built"]);
  });

  test("have exit statuses of their own, and the slots in common", async () => {
    const { world, run } = shared({ maxJobs: 1 });
    const [bad, good] = ["bad", "good"].map((name) => world.add({ name })) as [StorePath, StorePath];
    const [first, second] = [run([bad]), run([good])];
    const build = await world.ports.sandbox.nextBuild();
    await settled();
    expect(world.ports.sandbox.running()).toHaveLength(1);
    build.exit(1);
    (await world.ports.sandbox.nextBuild()).succeed();
    expect([(await first.outcome).exitStatus, (await second.outcome).exitStatus]).toEqual([100, 0]);
  });

  test("know only of their own failures: a run that comes later builds again", async () => {
    const { world, run } = shared();
    const bad = world.add({ name: "bad" });
    const slow = world.add({ name: "slow" });
    const first = run([slow]);
    const build = await world.building(slow);
    const second = run([bad]);
    // One slot: it is free when the first one has ended.
    build.succeed();
    (await world.ports.sandbox.nextBuild()).exit(1);
    expect((await second.outcome).exitStatus).toBe(100);
    const third = run([bad]);
    (await world.ports.sandbox.nextBuild()).succeed();
    expect((await third.outcome).exitStatus).toBe(0);
    await first.outcome;
    expect(world.ports.sandbox.builds.map(({ spec }) => nameOf(spec.drvPath))).toEqual([
      "slow",
      "bad",
      "bad",
    ]);
  });

  test("that leave together wait for the end of what both needed", async () => {
    const { world, run } = shared();
    const lib = world.add({ name: "lib" });
    const [first, second] = [run([lib]), run([lib])];
    const build = await world.building(lib);
    first.cancel();
    second.cancel();
    await Promise.all([first.outcome, second.outcome]);
    expect(build.closed).toBeDefined();
    expect(world.ports.store.locked.size).toBe(0);
  });

  test("of which one asks for what there is not: that one alone fails", async () => {
    const { world, run } = shared();
    const lib = world.add({ name: "lib" });
    const first = run([{ drvPath: lib, outputs: names("out") }]);
    const build = await world.building(lib);
    const second = run([{ drvPath: lib, outputs: names("nonsense") }]);
    await settled();
    build.succeed();
    expect(statuses(await first.outcome)).toEqual(["built"]);
    expect(failureOf((await second.outcome).results[0])).toMatchObject({
      errorCode: "ERR_GOAL_UNKNOWN_OUTPUT",
      errorMessage: `derivation '${lib}' does not have wanted outputs 'nonsense'`,
    });
    expect(statuses(await run([{ drvPath: lib, outputs: names("out") }]).outcome)).toEqual(["alreadyValid"]);
  });

  test("are each told of the outputs that they asked for", async () => {
    const { world, run } = shared();
    const lib = world.add({ name: "lib", outputs: ["out", "dev"] });
    const first = run([{ drvPath: lib, outputs: names("out") }]);
    const build = await world.building(lib);
    const second = run([{ drvPath: lib, outputs: names("dev") }]);
    await settled();
    build.succeed();
    const { out, dev } = world.outputs(lib);
    expect(outputsOf((await first.outcome).results[0])).toEqual({ out });
    expect(outputsOf((await second.outcome).results[0])).toEqual({ dev });
  });

  test.each([0, 1, 2, 3])(
    "of which one begins when the other's goal ends, %i ticks later, miss nothing",
    async (ticks) => {
      const world = new World();
      const lib = world.add({ name: "lib", outputs: ["out", "dev"] });
      const worker = makeWorker({ ports: world.ports, settings: defaultWorkerSettings });
      let second: ReturnType<typeof worker.run> | undefined;
      const begin = async () => {
        for (let tick = 0; tick < ticks; tick += 1) await undefined;
        return worker.run([{ drvPath: lib, outputs: names("dev") }]);
      };
      const first = worker.run([{ drvPath: lib, outputs: names("out") }], {
        emit: (event) => {
          if (event.type === "goal-stage" && event.to === "done") second ??= begin();
        },
      });
      (await world.building(lib)).succeed();
      await first;
      expect(outputsOf((await second)?.results[0])).toEqual({ dev: world.out(lib, "dev") });
    },
  );

  test("count what ended before they came neither as expected nor as done", async () => {
    const { world, run } = shared({ maxJobs: 2 });
    const inputs = ["a", "b"].map((name) => world.add({ name }));
    const top = world.add({ name: "top", inputs });
    const first = run([top]);
    const builds = [await world.ports.sandbox.nextBuild(), await world.ports.sandbox.nextBuild()];
    builds[0]?.succeed();
    await settled();
    const second = run([top]);
    await settled();
    builds[1]?.succeed();
    (await world.building(top)).succeed();
    await Promise.all([first.outcome, second.outcome]);
    expect(second.events.of("progress").at(-1)?.builds).toMatchObject({ done: 2, expected: 2 });
  });

  test("that come after an input failed are told of it and end as it does", async () => {
    const { world, run } = shared({ maxJobs: 2, keepGoing: true });
    const inputs = ["a", "b"].map((name) => world.add({ name }));
    const top = world.add({ name: "top", inputs });
    const first = run([top]);
    const builds = [await world.ports.sandbox.nextBuild(), await world.ports.sandbox.nextBuild()];
    builds[0]?.exit(1);
    await settled();
    const second = run([top]);
    await settled();
    builds[1]?.succeed();
    expect([(await first.outcome).exitStatus, (await second.outcome).exitStatus]).toEqual([100, 100]);
    const failed = second.events.of("goal-done").map(({ result }) => result.drvPath);
    expect(failed).toContain(builds[0]?.spec.drvPath);
  });

  test("in check mode: what one builds as an input the other checks all the same", async () => {
    const { world, run } = shared({ maxJobs: 2 }, "check");
    const lib = world.add({ name: "lib", outputs: ["out", "dev"] });
    const top = world.add({ name: "top", inputs: [lib] });
    await world.realise([top]);
    world.ports.store.forget(world.out(lib, "dev"));
    const first = run([top]); // its input is made first
    const build = await world.building(lib);
    const second = run([{ drvPath: lib, outputs: names("out") }]);
    await settled();
    build.succeed();
    first.cancel();
    await first.outcome;
    world.ports.clock.advance(5000);
    const again = await world.building(lib);
    again.put(world.out(lib), "something else");
    again.put(world.out(lib, "dev"), `made by ${lib}\n`);
    again.exit(0);
    expect(statuses(await second.outcome)).toEqual(["notDeterministic"]);
  });

  test("in repair mode: what one only needs the other repairs", async () => {
    const cache = new FakeSubstituter();
    const world = new World({ ...memoryPorts(), substituters: [cache] });
    const { store, trees } = world.ports;
    const lib = world.add({ name: "lib" });
    const app = world.add({ name: "app", inputs: [lib] });
    cache.offer(world.out(lib), "lib");
    cache.offer(world.out(app), "app", { references: new Set([world.out(lib)]) });
    await world.realise([{ path: world.out(app) }]);
    const { run } = shared({}, "repair", world);
    for (const turns of [0, 1, 2, 3, 4, 6]) {
      trees.put(store.realPathOf(world.out(lib)), "damaged");
      const first = run([{ path: world.out(app) }]);
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await run([{ path: world.out(lib) }]).outcome;
      expect(trees.get(store.realPathOf(world.out(lib)))).toMatchObject({ content: bytesOf("lib") });
      await first.outcome;
    }
  });

  test("of which one is over wait for what they began, though another goal has taken its place", async () => {
    const { world, run } = shared({ maxJobs: 2 });
    const inputs = ["a", "b"].map((name) => world.add({ name }));
    const top = world.add({ name: "top", inputs: [world.add({ name: "mid", inputs })] });
    const first = run([top]);
    const builds = [await world.ports.sandbox.nextBuild(), await world.ports.sandbox.nextBuild()];
    const [bad, other] = builds as [FakeBuild, FakeBuild];
    let isOver = false;
    void first.outcome.then(() => {
      isOver = true;
    });
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const close = other.close.bind(other);
    other.close = async (options) => {
      await released;
      return close(options);
    };
    bad.exit(1);
    while (!other.killed) await new Promise((resolve) => setImmediate(resolve));
    const second = run([other.spec.drvPath]);
    await settled();
    expect(isOver).toBe(false);
    release();
    second.cancel();
    await Promise.all([first.outcome, second.outcome]);
    expect(first.events.of("build-finished")).toHaveLength(first.events.of("build-started").length);
  });
});
