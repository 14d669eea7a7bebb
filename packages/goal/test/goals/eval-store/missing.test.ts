import type { StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { defaultWorkerSettings, queryMissing } from "../../../src/index.js";
import { evalWorld, registered } from "../../support/eval-world.js";
import type { World } from "../../support/world.js";

describe("what is missing with an evaluation store", () => {
  const missing = (world: World, drvPath: StorePath, more = {}) =>
    queryMissing([{ drvPath, outputs: "all" }], {
      ports: world.ports,
      settings: { ...defaultWorkerSettings, ...more },
    });

  test("is what its derivations would make and the store has not", async () => {
    const { world, store, source } = evalWorld();
    const input = world.add({ name: "input", sources: [source] });
    const top = world.add({ name: "top", inputs: [input] });
    expect((await missing(world, top)).willBuild).toEqual([input, top]);
    expect(registered(store)).toEqual([]);
    await world.realise([input]);
    expect((await missing(world, top)).willBuild).toEqual([top]);
    await world.realise([top]);
    expect(await missing(world, top)).toMatchObject({ willBuild: [], unknown: [] });
  });

  test("is looked for in both stores, by realisations too", async () => {
    const { world, store, evalStore } = evalWorld();
    const experimentalFeatures = new Set(["ca-derivations"]);
    const floating = world.add({ name: "floating", kind: "floating" });
    const here = world.add({ name: "here" });
    const drv = evalStore.readDerivationSync(here);
    store.addDerivationSync(drv);
    evalStore.forget(here);
    expect((await missing(world, here)).willBuild).toEqual([here]);
    expect((await missing(world, floating, { experimentalFeatures })).willBuild).toEqual([floating]);
    await world.realise([floating], { experimentalFeatures });
    expect((await missing(world, floating, { experimentalFeatures })).willBuild).toEqual([]);
  });
});
