import { describe, expect, test } from "vitest";
import { memoryPorts } from "../../src/testing/index.js";
import { failureOf, settled, statuses, World } from "../support/world.js";

describe("without keep-going", () => {
  test("a failing dependency kills a running sibling, which leaves nothing behind (A2)", async () => {
    const world = new World();
    const [bad, sibling] = ["bad", "sibling"].map((name) => world.add({ name })) as [never, never];
    const top = world.add({ name: "top", inputs: [bad, sibling] });
    const running = world.run([top], { maxJobs: 2 });
    const [failing, other] = [await world.building(bad), await world.building(sibling)];
    other.write("half\n");
    failing.exit(3);
    const { results, exitStatus } = await running;
    expect(results).toMatchObject([
      {
        status: "dependencyFailed",
        errorMessage: `1 dependencies of derivation '${top}' failed to build`,
        failedDependencies: [bad],
      },
    ]);
    expect(exitStatus).toBe(100);
    expect(other).toMatchObject({ killed: true, closed: { keepBuildDir: false } });
    expect(world.ports.log.closed.has(sibling)).toBe(true);
    expect(world.ports.store.locked.size).toBe(0);
    expect(world.ports.clock.waiting).toBe(0);
  });

  test("what was cancelled has no failure of its own", async () => {
    const world = new World();
    const [bad, other] = ["bad", "other"].map((name) => world.add({ name })) as [never, never];
    const running = world.run([other, bad], { maxJobs: 2 });
    (await world.building(bad)).exit(1);
    const { results } = await running;
    expect(results).toMatchObject([
      { status: "miscFailure", errorCode: "ERR_BUILD_CANCELLED" },
      { status: "permanentFailure" },
    ]);
    expect(world.events.of("goal-done").map(({ result }) => result.drvPath)).toEqual([bad]);
  });

  test("a goal that somebody else still waits for goes on", async () => {
    const world = new World();
    const shared = world.add({ name: "shared" });
    const bad = world.add({ name: "bad" });
    const failing = world.add({ name: "failing", inputs: [bad, shared] });
    const other = world.add({ name: "other", inputs: [shared] });
    const running = world.run([other, failing], { maxJobs: 2, keepGoing: true });
    (await world.building(bad)).exit(1);
    const build = await world.building(shared);
    await settled();
    expect(build.killed).toBe(false);
    build.succeed();
    (await world.building(other)).succeed();
    expect(statuses(await running)).toEqual(["built", "dependencyFailed"]);
  });
});

describe("with keep-going", () => {
  test("all that does not depend on the failure is built (A3)", async () => {
    const world = new World();
    const bad = world.add({ name: "bad" });
    const good = world.add({ name: "good" });
    const top = world.add({ name: "top", inputs: [bad, good] });
    const apart = world.add({ name: "xapart", inputs: [good] });
    const running = world.run([top, apart], { keepGoing: true });
    (await world.building(bad)).exit(1);
    (await world.building(good)).succeed();
    (await world.building(apart)).succeed();
    const { results, exitStatus } = await running;
    expect(results.map(({ status }) => status)).toEqual(["dependencyFailed", "built"]);
    expect(exitStatus).toBe(100);
  });

  test("a failure is named by what failed first, once", async () => {
    const world = new World();
    const bad = world.add({ name: "bad" });
    const left = world.add({ name: "left", inputs: [bad] });
    const right = world.add({ name: "right", inputs: [bad] });
    const top = world.add({ name: "top", inputs: [left, right] });
    const running = world.run([top], { keepGoing: true });
    (await world.building(bad)).exit(1);
    const failure = failureOf((await running).results[0]);
    expect(failure.errorMessage).toBe(`2 dependencies of derivation '${top}' failed to build`);
    expect(failure.failedDependencies).toEqual([bad]);
    expect(world.events.of("progress").at(-1)?.builds).toMatchObject({ failed: 1, running: 0 });
  });

  test("a build that failed is not tried again for somebody who comes later", async () => {
    const world = new World();
    const bad = world.add({ name: "bad" });
    let top = bad;
    for (let depth = 0; depth < 10; depth += 1) top = world.add({ name: `level${depth}`, inputs: [top] });
    world.ports.sandbox.conduct = (build) => build.exit(1);
    const { results } = await world.run([bad, top], { keepGoing: true });
    expect(results.map(({ status }) => status)).toEqual(["permanentFailure", "dependencyFailed"]);
    const order = world.events.all.map((event) => (event.type === "goal-waits" ? event.for[0] : event.type));
    expect(order.findIndex((each) => each?.includes("bad.drv"))).toBeGreaterThan(order.indexOf("goal-done"));
    expect(world.ports.sandbox.builds).toHaveLength(1);
  });

  test.each(["open", "write", "close"] as const)(
    "a log that fails to %s is one warning, and the build goes on",
    async (what) => {
      const world = new World();
      const drvPath = world.add({ name: "logged" });
      world.ports.log.refuse = (each) => (each === what ? new Error("no space left on device") : undefined);
      const running = world.run([drvPath]);
      const build = await world.building(drvPath);
      build.write("one\n");
      build.write("two\n");
      build.succeed();
      expect(statuses(await running)).toEqual(["built"]);
      const verb = what === "close" ? "complete" : what;
      const text = `cannot ${verb} the log of '${drvPath}': no space left on device`;
      expect(world.events.of("message")).toMatchObject([{ level: "warn", text }]);
      expect(world.events.of("build-line").map(({ line }) => line)).toEqual(["one", "two"]);
    },
  );

  test("a build without a free user id waits, says so once, and is built later", async () => {
    let free = false;
    const ports = memoryPorts({ hasFreeId: () => free });
    const world = new World(ports);
    const drvPath = world.add({ name: "patient" });
    const running = world.run([drvPath]);
    for (let index = 0; index < 3; index += 1) {
      await settled();
      ports.clock.advance(5000);
    }
    await settled();
    const text = `waiting for a free build user ID for '${drvPath}'`;
    expect(world.events.of("message")).toMatchObject([{ level: "warn", text }]);
    expect(ports.store.locked.size).toBe(1);
    free = true;
    ports.clock.advance(5000);
    (await world.building(drvPath)).succeed();
    expect(statuses(await running)).toEqual(["built"]);
  });

  test("an error of the world after a build keeps what is known of the build", async () => {
    const world = new World();
    const drvPath = world.add({ name: "a" });
    world.ports.trees.replace = async () => {
      throw Object.assign(new Error("no room"), { code: "ERR_NO_SPACE", hint: "make room" });
    };
    const running = world.run([drvPath]);
    const builder = await world.building(drvPath);
    builder.write("said\n");
    builder.put(world.out(drvPath), "out");
    builder.exit(0);
    const { results, exitStatus } = await running;
    expect(failureOf(results[0])).toMatchObject({
      status: "miscFailure",
      errorMessage: "no room",
      errorCode: "ERR_NO_SPACE",
      hint: "make room",
      timesBuilt: 1,
      logTail: ["said"],
    });
    expect(exitStatus).toBe(1);
  });

  test("an error of the world is the failure of one goal", async () => {
    const ports = memoryPorts({
      refuse: ({ drvPath }) =>
        drvPath.includes("refused")
          ? Object.assign(new Error("no user namespaces"), { code: "ERR_SANDBOX_SETUP", hint: "sysctl" })
          : undefined,
    });
    const world = new World(ports);
    const [refused, willing] = ["refused", "willing"].map((name) => world.add({ name })) as [never, never];
    const running = world.run([refused, willing], { keepGoing: true });
    (await world.building(willing)).succeed();
    const { results, exitStatus } = await running;
    expect(results).toMatchObject([
      {
        status: "miscFailure",
        errorMessage: "no user namespaces",
        errorCode: "ERR_SANDBOX_SETUP",
        hint: "sysctl",
      },
      { status: "built" },
    ]);
    expect(exitStatus).toBe(1);
    expect(ports.store.locked.size).toBe(0);
  });
});

describe("interrupt", () => {
  test("kills builders, closes logs, releases locks and keeps what is done", async () => {
    const world = new World();
    const [a, b] = ["a", "b"].map((name) => world.add({ name })) as [never, never];
    const control = new AbortController();
    const running = world.run([a, b], { signal: control.signal });
    (await world.building(a)).succeed();
    const build = await world.building(b);
    control.abort();
    const { results, exitStatus } = await running;
    expect(results).toMatchObject([
      { status: "built" },
      { status: "miscFailure", errorMessage: "interrupted by the user" },
    ]);
    expect(exitStatus).toBe(1);
    expect(build).toMatchObject({ killed: true, closed: { keepBuildDir: false } });
    expect(world.ports.store.locked.size).toBe(0);
    expect(world.ports.log.closed).toEqual(new Set([a, b]));
    expect(world.events.all.at(-1)?.type).toBe("run-finished");
  });

  test("keeps the build directory of an interrupted build with keep-failed", async () => {
    const world = new World();
    const drvPath = world.add({ name: "a" });
    const control = new AbortController();
    const running = world.run([drvPath], { signal: control.signal, keepFailed: true });
    const build = await world.building(drvPath);
    control.abort();
    await running;
    expect(build.closed).toEqual({ keepBuildDir: true });
  });

  test("before the start nothing is done", async () => {
    const world = new World();
    const { results, exitStatus } = await world.run([world.add({ name: "a" })], {
      signal: AbortSignal.abort(),
    });
    expect([failureOf(results[0]).errorMessage, exitStatus]).toEqual(["interrupted by the user", 1]);
    expect(world.events.of("goal-created")).toEqual([]);
  });

  test("ends waiting for a lock and waiting for a slot", async () => {
    const world = new World();
    const [locked, waiting] = ["locked", "waiting"].map((name) => world.add({ name })) as [never, never];
    await world.ports.store.tryLockOutputs([world.out(locked)]);
    const control = new AbortController();
    const running = world.run([locked, waiting], { signal: control.signal });
    await world.events.next("waiting-for-lock");
    await world.building(waiting);
    control.abort();
    expect((await running).exitStatus).toBe(1);
    expect(world.ports.clock.waiting).toBe(0);
  });
});
