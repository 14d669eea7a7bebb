import { type BasicDerivation, makeOutputName, resolveDerivation, type StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { buildDerivation, defaultWorkerSettings, type WorkerSettings } from "../src/index.js";
import { FakeSubstituter, memoryPorts } from "../src/testing/index.js";
import { failureOf, outputsOf, settled, World } from "./support/world.js";

const run = (
  world: World,
  drvPath: StorePath,
  drv: BasicDerivation,
  settings: Partial<WorkerSettings> = {},
) =>
  buildDerivation(drvPath, drv, {
    ports: world.ports,
    settings: { ...defaultWorkerSettings, ...settings },
    emit: world.events.emit,
  });

/** A derivation that only this run knows, and what it is built from. */
function handedOver(world: World, kind?: "floating") {
  const source = world.ports.store.addText("source", "x");
  const drvPath = world.add({
    name: "given",
    sources: [source],
    outputs: ["out", "dev"],
    ...(kind && { kind }),
  });
  const drv = world.ports.store.readDerivationSync(drvPath) as BasicDerivation;
  const outputs = world.outputs(drvPath);
  world.ports.store.forget(drvPath);
  world.ports.sandbox.conduct = (build) => build.succeed();
  return { source, drvPath, drv, outputs };
}

describe("a derivation that is handed over", () => {
  test("is built without being in the store, all of its outputs", async () => {
    const world = new World();
    const { drvPath, drv, outputs } = handedOver(world);
    const result = await run(world, drvPath, drv);
    expect([result.status, outputsOf(result)]).toEqual(["built", outputs]);
    expect(await world.isValid(drvPath)).toBe(false);
    expect(world.ports.store.tempRoots.has(drvPath)).toBe(true);
    expect((await world.ports.store.queryPathInfo(outputs["out"] as StorePath))?.deriver).toBe(drvPath);
    expect((await run(world, drvPath, drv)).status).toBe("alreadyValid");
  });

  test("is named as what it is when it takes too long", async () => {
    const world = new World();
    const { drvPath, drv } = handedOver(world);
    world.ports.sandbox.conduct = undefined;
    const running = run(world, drvPath, drv, { timeoutSeconds: 1 });
    await world.ports.sandbox.nextBuild();
    await settled();
    world.ports.clock.advance(2000);
    expect(failureOf(await running)).toMatchObject({
      status: "timedOut",
      errorMessage: `building of '${drvPath}!dev,out' from in-memory derivation timed out after 1 seconds`,
    });
  });

  test("is substituted where its outputs are offered", async () => {
    const cache = new FakeSubstituter();
    const world = new World({ ...memoryPorts(), substituters: [cache] });
    const { drvPath, drv, outputs } = handedOver(world);
    for (const path of Object.values(outputs)) cache.offer(path, "x");
    expect((await run(world, drvPath, drv)).status).toBe("substituted");
  });

  test("says that a source is missing (I1)", async () => {
    const cache = new FakeSubstituter();
    const world = new World({ ...memoryPorts(), substituters: [cache] });
    const { drvPath, drv, source } = handedOver(world);
    world.ports.store.forget(source);
    expect(failureOf(await run(world, drvPath, drv))).toMatchObject({
      status: "miscFailure",
      errorMessage: `some dependencies of '${drvPath}' are missing`,
    });
  });

  test("may have outputs whose paths are not known", async () => {
    const world = new World();
    const { drvPath, drv } = handedOver(world, "floating");
    const on = { experimentalFeatures: new Set(["ca-derivations"]) };
    const result = await run(world, drvPath, drv, on);
    expect(result.status).toBe("built");
    expect(await run(world, drvPath, drv, on)).toMatchObject({
      status: "alreadyValid",
      outputs: (result as { outputs: unknown }).outputs,
    });
  });

  test("is built when it is what another one was resolved to", async () => {
    const world = new World();
    const lib = world.add({ name: "lib" });
    const app = world.add({ name: "app", inputs: [lib] });
    await world.realise([lib]);
    world.ports.sandbox.conduct = (build) => build.succeed();
    const drv = world.ports.store.readDerivationSync(app);
    await expect(run(world, app, drv as BasicDerivation)).rejects.toMatchObject({
      code: "ERR_GOAL_ATTRIBUTE",
    });
    const resolved = resolveDerivation(drv, (path, name) => world.out(path, name));
    const result = await run(world, app, resolved);
    expect(outputsOf(result)).toEqual({ [makeOutputName("out")]: world.out(app) });
    expect(world.ports.sandbox.builds.at(-1)?.spec.inputs).toEqual([world.out(lib)]);
  });
});
