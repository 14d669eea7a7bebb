import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
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
import { defaultWorkerSettings, runGoals } from "../../src/index.js";
import { settled, World } from "../support/world.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function usedBytes(): number {
  for (let round = 0; round < 3; round += 1) collectGarbage();
  return process.memoryUsage().heapUsed;
}

test("a goal that waits costs little: no derivation and no frames", { timeout: 600_000 }, async () => {
  const count = isLong ? 100_000 : 5000;
  const world = new World();
  const { store } = world.ports;
  const first = world.add({ name: "a-first" });
  const out = makeOutputName("out");
  const paths = Array.from({ length: count }, (_, index) => {
    const name = String(index).padStart(32, "0");
    return {
      drvPath: makeStorePath(store.storeDir, `${name}-n.drv`),
      path: makeStorePath(store.storeDir, `${name}-n`),
    };
  });
  const outputs = new Map(paths.map(({ drvPath, path }) => [drvPath, path]));
  const inputDrvs = new Map([[first, new Set([out])]]);
  const derivationOf = (drvPath: StorePath): Derivation => ({
    name: "n",
    outputs: new Map([[out, { kind: "inputAddressed", path: outputs.get(drvPath) as StorePath }]]),
    inputDrvs,
    inputSrcs: new Set(),
    platform: "x86_64-linux",
    builder: bytesOf("/bin/sh"),
    args: [],
    env: Environment.from([]),
  });
  const { readDerivation, protectKnownOutputs } = store;
  store.readDerivation = async (drvPath) =>
    outputs.has(drvPath) ? derivationOf(drvPath) : readDerivation.call(store, drvPath);
  store.protectKnownOutputs = async (drvPaths) => {
    const all = [...drvPaths];
    const known = new Map(
      await protectKnownOutputs.call(
        store,
        all.filter((drvPath) => !outputs.has(drvPath)),
      ),
    );
    for (const drvPath of all) {
      const path = outputs.get(drvPath);
      if (path !== undefined) known.set(drvPath, { paths: new Map([[out, path]]), valid: new Set() });
    }
    return known;
  };

  const controller = new AbortController();
  let waiting = 0;
  const before = usedBytes();
  const running = runGoals(
    paths.map(({ drvPath }) => ({ drvPath, outputs: "all" })),
    {
      ports: world.ports,
      settings: defaultWorkerSettings,
      signal: controller.signal,
      emit: (event) => {
        if (event.type === "goal-waits") waiting += 1;
      },
    },
  );
  await world.building(first);
  while (waiting < count) await settled();
  const bytes = (usedBytes() - before) / count;
  if (isLong) console.log(`${count} goals wait: ${Math.round(bytes)} bytes each`);
  expect(bytes).toBeLessThan(isLong ? 2000 : 2500);
  controller.abort();
  await running;
});
