import { bytesOf, hashBytes } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { failureOf, names, outputsOf, statuses, World } from "../support/world.js";

describe("wanted outputs", () => {
  test("results name what was asked for; a build makes all", async () => {
    const world = new World();
    const drvPath = world.add({ name: "multi", outputs: ["out", "dev"] });
    const { results } = await world.realise([{ drvPath, outputs: names("dev") }]);
    expect(outputsOf(results[0])).toEqual({ dev: world.out(drvPath, "dev") });
    expect(await world.isValid(world.out(drvPath))).toBe(true);
  });

  test("one that is valid already is enough when only that is wanted", async () => {
    const world = new World();
    const drvPath = world.add({ name: "multi", outputs: ["out", "dev"] });
    await world.realise([drvPath]);
    world.ports.store.forget(world.out(drvPath, "dev"));
    expect(statuses(await world.run([{ drvPath, outputs: names("out") }]))).toEqual(["alreadyValid"]);
    expect(statuses(await world.realise([drvPath]))).toEqual(["built"]);
  });

  test("a missing output is built again without touching the valid one", async () => {
    const world = new World();
    const drvPath = world.add({ name: "multi", outputs: ["out", "dev"] });
    await world.realise([drvPath]);
    const { dev, out } = world.outputs(drvPath) as { dev: never; out: never };
    world.ports.store.forget(dev);
    const before = world.ports.trees.changes.length;
    await world.realise([drvPath]);
    const changes = world.ports.trees.changes.slice(before);
    expect(changes.some((change) => change.includes(world.ports.store.realPathOf(out)))).toBe(false);
    expect(world.ports.store.registrations.at(-1)).toEqual([dev]);
  });

  test("one that the derivation does not have is refused by name", async () => {
    const world = new World();
    const drvPath = world.add({ name: "single" });
    const { results } = await world.run([{ drvPath, outputs: names("lib", "out") }]);
    expect(failureOf(results[0])).toMatchObject({
      status: "miscFailure",
      errorCode: "ERR_GOAL_UNKNOWN_OUTPUT",
      errorMessage: `derivation '${drvPath}' does not have wanted outputs 'lib'`,
    });
  });

  describe("that grow while the goal waits for another process", () => {
    /** `out` is asked for at once, `dev` only once the goal waits for the lock. */
    async function waiting() {
      const world = new World();
      const multi = world.add({ name: "multi", outputs: ["out", "dev"] });
      const late = world.add({ name: "late", inputs: [[multi, "dev"]] });
      const top = world.add({ name: "top", inputs: [world.add({ name: "middle", inputs: [late] })] });
      const lock = await world.ports.store.tryLockOutputs([world.out(multi)]);
      const running = world.run([{ drvPath: multi, outputs: names("out") }, top]);
      await world.events.next("waiting-for-lock");
      await world.events.next("goal-waits", ({ goal }) => goal.includes("-late.drv"));
      const register = (...outputs: string[]) =>
        world.ports.store.registerValidPaths(
          outputs.map((output) => ({
            path: world.out(multi, output),
            narHash: hashBytes("sha256", bytesOf(output)),
            narSizeBytes: 120,
            references: new Set(),
            registrationTimeSeconds: 1,
            ultimate: true,
            signatures: [],
          })),
        );
      const release = async () => {
        await lock?.[Symbol.asyncDispose]();
        world.ports.clock.advance(5000);
      };
      return { world, multi, top, running, register, release };
    }

    async function finish(world: World, count: number) {
      for (let built = 0; built < count; built += 1) (await world.ports.sandbox.nextBuild()).succeed();
    }

    test("show as a transition back to the start when the other made them all", async () => {
      const { world, multi, running, register, release } = await waiting();
      await register("out", "dev");
      await release();
      await finish(world, 3);
      const { results } = await running;
      expect(results.map(({ status }) => status)).toEqual(["alreadyValid", "built"]);
      expect(outputsOf(results[0])).toEqual({ out: world.out(multi) });
      const stages = world.events.of("goal-stage").filter(({ goal }) => goal.includes("-multi.drv"));
      expect(stages.map(({ because }) => because)).toEqual([
        "needs-build",
        "inputs-ready",
        "outputs-added",
        "already-valid",
      ]);
    });

    test("are built when the other made only what was wanted before", async () => {
      const { world, multi, running, register, release } = await waiting();
      await register("out");
      await release();
      await finish(world, 4);
      const { results } = await running;
      expect(results.map(({ status }) => status)).toEqual(["built", "built"]);
      expect(await world.isValid(world.out(multi, "dev"))).toBe(true);
    });
  });

  test("that grow while the builder runs are made, and told to those who asked for them", async () => {
    const world = new World();
    const multi = world.add({ name: "multi", outputs: ["out", "dev"] });
    const late = world.add({ name: "late", inputs: [[multi, "dev"]] });
    const top = world.add({ name: "top", inputs: [world.add({ name: "middle", inputs: [late] })] });
    const running = world.run([{ drvPath: multi, outputs: names("out") }, top]);
    const build = await world.building(multi);
    await world.events.next("goal-waits", ({ goal }) => goal.includes("-late.drv"));
    build.succeed();
    for (let built = 0; built < 3; built += 1) (await world.ports.sandbox.nextBuild()).succeed();
    const { results } = await running;
    expect(results.map(({ status }) => status)).toEqual(["built", "built"]);
    expect(outputsOf(results[0])).toEqual({ out: world.out(multi) });
    const [done] = world.events.of("goal-done").filter(({ goal }) => goal.includes("-multi.drv"));
    expect(outputsOf(done?.result)).toEqual(world.outputs(multi));
  });
});
