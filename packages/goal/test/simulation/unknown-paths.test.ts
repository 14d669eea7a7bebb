import { makeOutputName, type StorePath, upstreamPlaceholder } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { isLong } from "../../../../tests/properties.js";
import { isSuccess } from "../../src/result/exit-status.js";
import { MemoryStore, memoryPorts } from "../../src/testing/index.js";
import { World } from "../support/world.js";
import { Random } from "./random.js";

const out = makeOutputName("out");
const firstSeed = Number(process.env["DRVKIT_SEED"] ?? 1);
const runs = isLong ? 3000 : 100;

interface Node {
  readonly drvPath: StorePath;
  readonly name: string;
  /** Whether its path is stated: only a derivation all of whose inputs state theirs can state its own. */
  readonly isStated: boolean;
  readonly inputs: readonly Node[];
  readonly fails: boolean;
}

/** Derivations of all kinds; several have the same content, so that what needs them comes to the same. */
function makeGraph(random: Random, world: World): readonly Node[] {
  const nodes: Node[] = [];
  for (let index = 0, size = 1 + random.below(25); index < size; index += 1) {
    const inputs = [...new Set(Array.from({ length: random.below(4) }, () => random.pick(nodes)))].filter(
      (node) => node !== undefined,
    );
    const allStated = inputs.every(({ isStated }) => isStated);
    const kind = random.chance(0.5) ? "floating" : allStated ? undefined : "deferred";
    const fails = random.chance(0.05);
    const name = fails ? `bad${index}` : `n${random.below(4)}`;
    const drvPath = world.add({
      name,
      inputs: inputs.map((node) => node.drvPath),
      env: {
        index: `${index}`,
        inputs: inputs.map((node) => upstreamPlaceholder(node.drvPath, out)).join(" "),
      },
      ...(kind === undefined ? {} : { kind }),
    });
    nodes.push({ drvPath, name, isStated: kind === undefined, inputs, fails });
  }
  return nodes;
}

/** Whether it can be made at all. */
function isPossible(node: Node): boolean {
  return !node.fails && node.inputs.every(isPossible);
}

async function simulate(seed: number): Promise<{ readonly built: number; readonly resolved: number }> {
  const random = new Random(seed);
  const evalStore = seed % 3 === 0 ? new MemoryStore() : undefined;
  const world = new World({ ...memoryPorts(), ...(evalStore && { evalStore }) });
  const nodes = makeGraph(random, world);
  const how = {
    experimentalFeatures: new Set(["ca-derivations"]),
    keepGoing: true,
    maxJobs: 1 + random.below(4),
  };
  world.ports.sandbox.conduct = (build) => {
    const name = build.spec.drvPath.replace(/^.*\/[^-]*-/u, "").replace(/\.drv$/u, "");
    if (name.startsWith("bad")) return build.exit(1);
    // Some name themselves: then what they are does not depend on where they are built.
    for (const output of build.spec.outputs)
      build.put(output, name === "n0" ? `I am ${output}` : `made of ${name}`);
    build.exit(0);
  };
  const wanted = random.some(nodes, 0.4);
  const first = await world.run(
    wanted.map(({ drvPath }) => drvPath),
    how,
  );
  expect(first.results.map(isSuccess)).toEqual(wanted.map(isPossible));

  const built = world.ports.sandbox.builds.map(({ spec }) => spec.drvPath);
  expect(new Set(built).size).toBe(built.length);
  expect([world.ports.store.locked.size, world.ports.sandbox.running().length]).toEqual([0, 0]);
  for (const [index, result] of first.results.entries()) {
    if (!isSuccess(result)) continue;
    const path = result.outputs.get(out) as StorePath;
    const hash = (await world.recipes.queryOutputHashes(wanted[index]?.drvPath as StorePath)).get(out);
    if (hash === undefined) throw new Error("no hash");
    const known = await world.ports.store.queryRealisation({ type: "hash", hash, outputName: out });
    expect([known?.outPath, await world.isValid(path)]).toEqual([path, true]);
  }

  const again = await world.run(
    wanted.filter(isPossible).map(({ drvPath }) => drvPath),
    how,
  );
  expect(new Set(again.results.map(({ status }) => status)).size).toBeLessThan(2);
  expect(again.results.every(({ status }) => status === "alreadyValid")).toBe(true);
  expect(world.ports.sandbox.builds).toHaveLength(built.length);
  await checkResolved(world, nodes);
  return { built: built.length, resolved: world.events.of("derivation-resolved").length };
}

/** What is resolved is written to the store alone. */
async function checkResolved({ ports, events }: World, nodes: readonly Node[]): Promise<void> {
  const resolved = new Set(events.of("derivation-resolved").map((event) => event.resolved));
  expect(await ports.store.queryValidPaths(resolved)).toEqual(resolved);
  const given = new Set(nodes.map(({ drvPath }) => drvPath)); // some are as what others resolve to
  const there = (await ports.evalStore?.queryValidPaths(resolved)) ?? [];
  expect([...there].filter((drvPath) => !given.has(drvPath))).toEqual([]);
}

describe("random graphs of derivations whose paths only builds can tell", () => {
  test(`${runs} runs end as they can, build nothing twice, and are known afterwards`, {
    timeout: 3_600_000,
  }, async () => {
    const totals = { built: 0, resolved: 0 };
    for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
      const { built, resolved } = await simulate(seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      });
      totals.built += built;
      totals.resolved += resolved;
    }
    console.log(`${runs} runs from seed ${firstSeed}: ${JSON.stringify(totals)}`);
    expect(totals.resolved).toBeGreaterThan(runs);
  });
});
