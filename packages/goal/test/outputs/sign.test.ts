import { generateSecretKey, publicKeyOf, verifySignatures } from "@drvkit/narinfo";
import { describe, expect, test } from "vitest";
import { outputIds } from "../../src/goals/derivation/realisations.js";
import { World } from "../support/world.js";

describe("what is built", () => {
  test("is signed by each of our keys, and so is the fact that it is an output", async () => {
    const keys = await Promise.all(["here-1", "there-1"].map((name) => generateSecretKey(name)));
    const world = new World();
    const drvPath = world.add({ name: "signed", kind: "floating" });
    const outcome = await world.realise([drvPath], {
      secretKeys: keys,
      experimentalFeatures: new Set(["ca-derivations"]),
    });
    const [result] = outcome.results;
    const [path] = result !== undefined && "outputs" in result ? result.outputs.values() : [];
    const info = path === undefined ? undefined : await world.ports.store.queryPathInfo(path);
    if (info === undefined) throw new Error("it is not valid");
    expect(await verifySignatures(info, keys.map(publicKeyOf))).toEqual(new Set(["here-1", "there-1"]));
    const [id] = (await outputIds(drvPath, world.ports.store)).values();
    const realisation = id === undefined ? undefined : await world.ports.store.queryRealisation(id);
    expect(realisation?.signatures.map((text) => text.split(":")[0])).toEqual(["here-1", "there-1"]);
  });

  test("is signed when a check finds that it is what others built", async () => {
    const key = await generateSecretKey("here-1");
    const world = new World();
    const drvPath = world.add({ name: "checked" });
    await world.realise([drvPath]);
    const { store } = world.ports;
    const info = await store.queryPathInfo(world.out(drvPath));
    if (info === undefined) throw new Error("it is not valid");
    await store.registerValidPaths([{ ...info, ultimate: false }]);
    await world.realise([drvPath], { mode: "check", secretKeys: [key] });
    const checked = await store.queryPathInfo(world.out(drvPath));
    expect(checked?.ultimate).toBe(true);
    expect(await verifySignatures(checked ?? info, [publicKeyOf(key)])).toEqual(new Set(["here-1"]));
  });

  test("carries no signature without a key", async () => {
    const world = new World();
    const drvPath = world.add({ name: "plain" });
    await world.realise([drvPath]);
    expect((await world.ports.store.queryPathInfo(world.out(drvPath)))?.signatures).toEqual([]);
  });
});
