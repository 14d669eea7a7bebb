import {
  bytesOf,
  type Derivation,
  Environment,
  makeOutputName,
  makeStorePath,
  type StorePath,
} from "@drvkit/drv-parser";
import { expect, test } from "vitest";
import { isLong } from "../../../../tests/properties.js";
import type { KnownOutputs } from "../../src/ports/store.js";
import { memoryPorts } from "../../src/testing/index.js";
import { World } from "../support/world.js";

/** Layers of derivations, each needing three of the layer before; paths are made up, nothing is parsed. */
function graph(world: World, count: number): readonly StorePath[] {
  const { store } = world.ports;
  const out = makeOutputName("out");
  const drvs = new Map<StorePath, Derivation>();
  const path = (index: number, suffix: string) =>
    makeStorePath(store.storeDir, `${String(index).padStart(32, "0")}-n${index}${suffix}`);
  for (let index = 0; index < count; index += 1) {
    const inputs = index < 200 ? [] : [200, 199, 101].map((back) => path(index - back, ".drv"));
    drvs.set(path(index, ".drv"), {
      name: `n${index}`,
      outputs: new Map([[out, { kind: "inputAddressed", path: path(index, "") }]]),
      inputDrvs: new Map(inputs.map((input) => [input, new Set([out])])),
      inputSrcs: new Set(),
      platform: "x86_64-linux",
      builder: bytesOf("/bin/sh"),
      args: [],
      env: Environment.from([]),
    });
  }
  store.readDerivation = async (drvPath) => drvs.get(drvPath) as Derivation;
  store.protectKnownOutputs = async (drvPaths) => {
    const known = new Map<StorePath, KnownOutputs>();
    for (const drvPath of drvPaths) {
      const paths = await store.queryDerivationOutputs(drvPath);
      known.set(drvPath, { paths, valid: await store.queryValidPaths(paths.values()) });
    }
    return known;
  };
  const query = store.queryValidPaths.bind(store);
  store.queryValidPaths = async (paths) => {
    const all = [...paths];
    return new Set([...(await query(all)), ...all.filter((each) => drvs.has(each))]);
  };
  return [...drvs.keys()];
}

async function secondsFor(count: number): Promise<number> {
  const world = new World(memoryPorts());
  const drvs = graph(world, count);
  world.ports.sandbox.conduct = (build) => build.succeed();
  const started = performance.now();
  const { exitStatus } = await world.run(drvs, { maxJobs: 8 });
  expect([exitStatus, world.ports.sandbox.builds.length]).toEqual([0, count]);
  return (performance.now() - started) / 1000;
}

test("ten times the goals take about ten times as long", { timeout: 600_000 }, async () => {
  const small = isLong ? 10_000 : 400;
  await secondsFor(small);
  const [few, many] = [await secondsFor(small), await secondsFor(small * 10)];
  if (isLong) console.log(`${small} goals: ${few.toFixed(2)} s, ${small * 10} goals: ${many.toFixed(2)} s`);
  expect(many / few).toBeLessThan(35);
});

test("goals that have nothing to do are done in a moment each", { timeout: 600_000 }, async () => {
  const count = isLong ? 100_000 : 2_000;
  const world = new World(memoryPorts());
  const drvs = graph(world, count);
  const { store } = world.ports;
  store.queryValidPaths = async (paths) => new Set(paths);
  const started = performance.now();
  const { results, exitStatus } = await world.run(drvs);
  const seconds = (performance.now() - started) / 1000;
  if (isLong) console.log(`${count} valid goals: ${seconds.toFixed(2)} s`);
  expect([exitStatus, world.ports.sandbox.builds.length]).toEqual([0, 0]);
  expect(results.map(({ drvPath }) => drvPath)).toEqual(drvs);
  expect(results.every(({ status }) => status === "alreadyValid")).toBe(true);
  expect(world.events.of("goal-created")).toHaveLength(count);
  expect(seconds).toBeLessThan(count / 100);
});
