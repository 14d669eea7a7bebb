import { isDerivationPath, makeOutputName, type StorePath, upstreamPlaceholder } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { defaultWorkerSettings, repairPath } from "../../../src/index.js";
import { archiveOf, FakeSubstituter, type MemoryStore, pathInfoOf } from "../../../src/testing/index.js";
import { copied, damage, evalWorld, registered } from "../../support/eval-world.js";
import { addLibrary, because, failureOf, outputsOf, statuses } from "../../support/world.js";

describe("a derivation of the evaluation store", () => {
  test("is read there, and what it makes is put into the store (G1, L2, I6)", async () => {
    const { world, store, evalStore, source, middle, leaf } = evalWorld();
    const input = world.add({ name: "input", outputs: ["out", "dev"], sources: [leaf] });
    const top = world.add({ name: "top", sources: [source], inputs: [[input, "dev"]] });
    const outcome = await world.realise([top]);
    expect(outputsOf(outcome.results[0])).toEqual(world.outputs(top));
    expect(because(world, top)).toEqual(["needs-build", "inputs-ready", "built"]);
    const built = world.ports.sandbox.builds.at(-1);
    expect(built?.spec.inputs).toEqual([leaf, middle, source, world.out(input, "dev")].sort());

    expect([...evalStore.tempRoots].filter(isDerivationPath).sort()).toEqual([input, top].sort());
    expect(store.tempRoots).toContain(world.out(top));
    expect(registered(store).filter(isDerivationPath)).toEqual([]);
    expect(registered(evalStore)).toEqual([]);
  });

  test("whose outputs the store has is done at once: nothing is copied for it (H4)", async () => {
    const { world, store, source } = evalWorld();
    const top = world.add({ name: "top", sources: [source] });
    await world.realise([top]);
    store.forget(source);
    store.tempRoots.clear();
    const before = copied(world).length;
    expect(statuses(await world.realise([top]))).toEqual(["alreadyValid"]);
    expect(store.tempRoots).toEqual(new Set([world.out(top)]));
    expect(copied(world).length).toBe(before);
  });

  test("whose outputs only the evaluation store has is built all the same (H3)", async () => {
    const { world, evalStore } = evalWorld();
    const top = world.add({ name: "top" });
    evalStore.trees.put(evalStore.realPathOf(world.out(top)), "top");
    await evalStore.registerValidPaths([pathInfoOf(world.out(top), archiveOf("top"))]);
    expect(statuses(await world.realise([top]))).toEqual(["built"]);
  });

  test("is looked for there first, then in the store, then with the substituters (G1, G2, L2)", async () => {
    const cache = new FakeSubstituter();
    const { world, store, evalStore } = evalWorld(cache);
    const [there, here, elsewhere] = ["there", "here", "elsewhere"].map((name) => world.add({ name })) as [
      StorePath,
      StorePath,
      StorePath,
    ];
    store.addDerivationSync(evalStore.readDerivationSync(here));
    cache.offer(elsewhere, { type: "regular", content: fileOf(evalStore, elsewhere) });
    const outputs = [there, here, elsewhere].map((drvPath) => ({ out: world.out(drvPath) }));
    for (const path of [here, elsewhere]) evalStore.forget(path);
    const { results } = await world.realise([there, here, elsewhere]);
    expect(results.map(outputsOf)).toEqual(outputs);
    expect(cache.taken).toEqual([elsewhere]);
    expect(registered(store)).toContain(elsewhere);
  });

  test("that is nowhere fails as ever (L1)", async () => {
    const { world, evalStore } = evalWorld();
    const top = world.add({ name: "top" });
    evalStore.forget(top);
    const { results } = await world.realise([top]);
    expect(failureOf(results[0]).errorCode).toBe("ERR_GOAL_MISSING_DERIVATION");
  });

  test("that asks an input for an output that it has not fails (I5)", async () => {
    const { world, evalStore } = evalWorld();
    const input = world.add({ name: "input" });
    const plain = evalStore.readDerivationSync(world.add({ name: "top", inputs: [input] }));
    const inputDrvs = new Map([[input, new Set([makeOutputName("doc")])]]);
    const top = evalStore.addDerivationSync({ ...plain, inputDrvs });
    const { results } = await world.realise([top]);
    expect(failureOf(results[0])).toMatchObject({ status: "dependencyFailed" });
    const [failed] = world.events.of("goal-done").filter(({ goal }) => goal.endsWith(input));
    expect(failed?.result).toMatchObject({ errorCode: "ERR_GOAL_UNKNOWN_OUTPUT" });
  });

  test("that is to be the same each time and needs one that is not fails (B1)", async () => {
    const { world } = evalWorld();
    const input = world.add({ name: "input", kind: "impure" });
    const top = world.add({ name: "top", kind: "floating", inputs: [input] });
    const experimentalFeatures = new Set(["ca-derivations", "impure-derivations"]);
    const { results } = await world.realise([top], { experimentalFeatures });
    expect(failureOf(results[0]).errorCode).toBe("ERR_GOAL_IMPURE");
  });

  test("is resolved into the store, where it is found (I4, R1, L2)", async () => {
    const { world, store, evalStore, source } = evalWorld();
    const how = { experimentalFeatures: new Set(["ca-derivations"]) };
    const input = world.add({ name: "input", kind: "floating", sources: [source] });
    const placeholder = upstreamPlaceholder(input, makeOutputName("out"));
    const top = world.add({ name: "top", kind: "floating", inputs: [input], env: { placeholder } });
    const outcome = await world.realise([top], how);
    expect(statuses(outcome)).toEqual(["built"]);
    const [event] = world.events.of("derivation-resolved");
    expect(registered(evalStore)).toEqual([]);
    expect(await store.queryValidPaths([event?.resolved as StorePath, top])).toEqual(
      new Set([event?.resolved]),
    );
    // Its source is what the input made, which the evaluation store has not: nothing is copied for it.
    const [hash] = (await evalStore.queryOutputHashes(top)).values();
    const id = { type: "hash", hash: hash as never, outputName: makeOutputName("out") } as const;
    expect((await store.queryRealisation(id))?.outPath).toBe(outputsOf(outcome.results[0])["out"]);
    expect(statuses(await world.realise([top], how))).toEqual(["alreadyValid"]);
  });

  test("gives derivations to a build that asks for their graph: they are sources (B3)", async () => {
    const { world, evalStore } = evalWorld();
    const input = world.add({ name: "input" });
    const top = world.add({
      name: "top",
      sources: [input],
      env: { exportReferencesGraph: `graph ${input}` },
    });
    await world.realise([input]);
    const outcome = await world.realise([top]);
    expect(statuses(outcome)).toEqual(["built"]);
    const files = world.ports.sandbox.builds.at(-1)?.spec.files ?? [];
    expect(JSON.stringify(files.map(({ name }) => name))).toContain("graph");
    expect(registered(evalStore)).toEqual([]);
    expect(registered(world.ports.store)).toContain(input);
  });

  test("says what makes a damaged path, which is built again (C1)", async () => {
    const { world, store } = evalWorld();
    const { lib, app } = addLibrary(world);
    await world.run([app]);
    damage(store, world.out(lib));
    expect(statuses(await world.run([app], { mode: "repair" }))).toEqual(["alreadyValid"]);
    expect(because(world, app).at(-1)).toBe("closure-repaired");
    damage(store, world.out(lib));
    await repairPath(world.out(lib), { ports: world.ports, settings: defaultWorkerSettings });
    expect(world.buildOrder()).toEqual(["lib", "app", "lib", "lib"]);
  });
});

function fileOf(store: MemoryStore, path: StorePath): Uint8Array {
  const file = store.trees.get(store.realPathOf(path));
  if (file?.type !== "regular") throw new Error(`${path} is no file`);
  return file.content;
}
