import { expect, test } from "vitest";
import { outputsOf, World } from "./support/world.js";

test("builds one derivation and registers what it wrote", async () => {
  const world = new World();
  const drvPath = world.add({ name: "hello" });
  const out = world.out(drvPath);
  const running = world.run([drvPath]);
  const build = await world.building(drvPath);
  build.write("compiling\n");
  build.put(out, "hello\n");
  build.exit(0);
  const { results, exitStatus } = await running;
  expect(exitStatus).toBe(0);
  expect(results).toMatchObject([{ drvPath, status: "built", timesBuilt: 1 }]);
  expect(outputsOf(results[0])).toEqual({ out });
  expect(await world.ports.store.queryPathInfo(out)).toMatchObject({
    deriver: drvPath,
    ultimate: true,
    narSizeBytes: 120,
    references: new Set(),
  });
  expect(world.ports.trees.get(world.ports.store.realPathOf(out))).toMatchObject({ type: "regular" });
  expect(world.ports.log.textOf(drvPath)).toBe("compiling\n");
  expect(world.events.of("build-line").map(({ line }) => line)).toEqual(["compiling"]);
});

test("who waits for outputs does not wait for the removal of directories, but the run does", async () => {
  const world = new World();
  const low = world.add({ name: "low" });
  const top = world.add({ name: "top", inputs: [low] });
  const running = world.run([top]);
  const first = await world.building(low);
  let removed = () => {};
  const removal = new Promise<void>((resolve) => {
    removed = resolve;
  });
  const close = first.close.bind(first);
  first.close = async (options) => {
    await removal;
    return close(options);
  };
  first.succeed();
  (await world.building(top)).succeed();
  await world.events.next("goal-done", ({ result }) => result.drvPath === top);
  expect(first.closed).toBeUndefined();
  removed();
  expect((await running).exitStatus).toBe(0);
  expect(first.closed).toEqual({ keepBuildDir: false });
});
