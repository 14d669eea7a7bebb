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
