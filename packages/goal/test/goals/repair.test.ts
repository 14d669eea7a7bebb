import type { StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { defaultWorkerSettings, repairPath } from "../../src/index.js";
import { FakeSubstituter, memoryPorts } from "../../src/testing/index.js";
import { addLibrary, because, failureOf, statuses, World } from "../support/world.js";

/** {@link addLibrary}, built. */
async function built(...substituters: readonly FakeSubstituter[]) {
  const world = new World({ ...memoryPorts(), substituters });
  const { lib, app } = addLibrary(world);
  await world.run([app], { substitute: false });
  return { world, lib, app };
}

function damage(world: World, path: StorePath): void {
  world.ports.trees.put(world.ports.store.realPathOf(path), "damaged");
}

const contentOf = (world: World, path: StorePath) => {
  const node = world.ports.trees.get(world.ports.store.realPathOf(path));
  return node?.type === "regular" ? new TextDecoder().decode(node.content) : node;
};

const messages = (world: World) => world.events.of("message").map(({ text }) => text);

describe("a derivation in repair mode", () => {
  test("is left alone when its outputs and what they refer to are good (S7, C2)", async () => {
    const { world, app, lib } = await built();
    const [before, builds] = [because(world, app).length, world.ports.sandbox.builds.length];
    expect(statuses(await world.run([app], { mode: "repair" }))).toEqual(["alreadyValid"]);
    expect(because(world, app).slice(before)).toEqual(["outputs-good", "closure-good"]);
    expect(world.ports.sandbox.builds).toHaveLength(builds);
    expect(messages(world)).toEqual(
      [world.out(app), world.out(lib)].map((path) => `checking path '${path}'...`),
    );
  });

  test("is built again when its output is damaged; that is replaced, never removed before (S9, T4)", async () => {
    const { world, app } = await built();
    damage(world, world.out(app));
    const real = world.ports.store.realPathOf(world.out(app));
    const changes = world.ports.trees.changes.length;
    expect(statuses(await world.run([app], { mode: "repair" }))).toEqual(["built"]);
    expect(contentOf(world, world.out(app))).toMatch(/^uses /u);
    const since = world.ports.trees.changes.slice(changes);
    expect(since.filter((change) => change.endsWith(` ${real}`))).toEqual([
      expect.stringMatching(/^replace /u),
    ]);
    expect(world.events.of("build-started").at(-1)?.mode).toBe("repair");
    expect(messages(world)).toContain(`path '${world.out(app)}' is corrupted or missing!`);
  });

  test("is built again when its output is not there at all", async () => {
    const { world, app } = await built();
    await world.ports.trees.remove(world.ports.store.realPathOf(world.out(app)));
    expect(statuses(await world.run([app], { mode: "repair" }))).toEqual(["built"]);
  });

  test("A18: has a damaged dependency rebuilt and reports that it is already valid (C1, C4)", async () => {
    const { world, lib, app } = await built();
    damage(world, world.out(lib));
    expect(statuses(await world.run([app], { mode: "repair" }))).toEqual(["alreadyValid"]);
    expect(contentOf(world, world.out(lib))).toBe("lib");
    expect(because(world, app).slice(-2)).toEqual(["outputs-good", "closure-repaired"]);
    expect(messages(world)).toContain(
      `found corrupted or missing path '${world.out(lib)}' in the output closure of '${app}'`,
    );
  });

  test("repairs its inputs before it is built again (B2)", async () => {
    const { world, lib, app } = await built();
    damage(world, world.out(lib));
    damage(world, world.out(app));
    const before = world.buildOrder().length;
    await world.run([app], { mode: "repair" });
    expect(world.buildOrder().slice(before)).toEqual(["lib", "app"]);
    expect([contentOf(world, world.out(lib)), contentOf(world, world.out(app))]).toEqual([
      "lib",
      `uses ${world.out(lib)}`,
    ]);
  });

  test("obtains what it refers to and no derivation makes (C1)", async () => {
    const cache = new FakeSubstituter();
    const world = new World({ ...memoryPorts(), substituters: [cache] });
    const source = world.ports.store.addText("source", "good");
    const drvPath = world.add({ name: "app", sources: [source], env: { allowSubstitutes: "" } });
    world.ports.sandbox.conduct = (build) => {
      build.put(world.out(drvPath), `uses ${source}`);
      build.exit(0);
    };
    await world.run([drvPath]);
    damage(world, source);
    cache.offer(source, "good");
    expect(statuses(await world.run([drvPath], { mode: "repair" }))).toEqual(["alreadyValid"]);
    expect(contentOf(world, source)).toBe("good");
  });

  test("fails when a part of the closure cannot be repaired (C3)", async () => {
    const world = new World();
    const source = world.ports.store.addText("source", "good");
    const drvPath = world.add({ name: "app", sources: [source] });
    world.ports.sandbox.conduct = (build) => {
      build.put(world.out(drvPath), `uses ${source}`);
      build.exit(0);
    };
    await world.run([drvPath]);
    damage(world, source);
    const { results, exitStatus } = await world.run([drvPath], { mode: "repair" });
    expect(failureOf(results[0])).toMatchObject({
      status: "miscFailure",
      errorCode: "ERR_GOAL_REPAIR",
      errorMessage: `some paths in the output closure of derivation '${drvPath}' could not be repaired`,
    });
    expect(exitStatus).toBe(1);
    expect(because(world, drvPath).at(-1)).toBe("closure-not-repaired");
  });

  test("obtains its outputs anew where they are offered (H5)", async () => {
    const cache = new FakeSubstituter();
    const { world, app, lib } = await built(cache);
    cache.offer(world.out(app), "from the cache");
    damage(world, world.out(app));
    expect(statuses(await world.run([app], { mode: "repair" }))).toEqual(["alreadyValid"]);
    expect(cache.taken).toEqual([world.out(app)]);
    expect(contentOf(world, world.out(app))).toBe("from the cache");
    expect(because(world, app).slice(-3)).toEqual(["asks-substituters", "outputs-good", "closure-good"]);
    expect(because(world, lib).length).toBeGreaterThan(0);
  });

  test("takes an object as good that was registered without looking at it", async () => {
    const { world, app } = await built();
    const info = await world.ports.store.queryPathInfo(world.out(app));
    if (info === undefined) throw new Error("not registered");
    const unseen = { ...info, narHash: { algorithm: "sha256", digest: new Uint8Array(32) } } as const;
    await world.ports.store.registerValidPaths([unseen]);
    expect(statuses(await world.run([app], { mode: "repair" }))).toEqual(["alreadyValid"]);
  });

  test("takes a file that no archive holds for damage", async () => {
    const { world, app } = await built();
    world.ports.trees.put(world.ports.store.realPathOf(world.out(app)), { type: "other" });
    expect(statuses(await world.run([app], { mode: "repair" }))).toEqual(["built"]);
  });
});

describe("repairPath", () => {
  const repair = (world: World, path: StorePath, signal = new AbortController().signal) =>
    repairPath(path, {
      ports: world.ports,
      settings: defaultWorkerSettings,
      signal,
      emit: world.events.emit,
    });

  test("obtains a path anew where somebody has it", async () => {
    const cache = new FakeSubstituter();
    const { world, lib } = await built(cache);
    cache.offer(world.out(lib), "lib");
    damage(world, world.out(lib));
    await repair(world, world.out(lib));
    expect(contentOf(world, world.out(lib))).toBe("lib");
    expect(world.events.of("substitution-stage").map(({ because }) => because)).toEqual([
      "needs-repair",
      "offered",
      "references-valid",
      "substituted",
    ]);
  });

  test("builds its derivation again where nobody has it", async () => {
    const { world, lib } = await built();
    damage(world, world.out(lib));
    await repair(world, world.out(lib));
    expect(contentOf(world, world.out(lib))).toBe("lib");
  });

  test("says why that build failed", async () => {
    const { world, lib } = await built();
    damage(world, world.out(lib));
    world.ports.sandbox.conduct = (build) => build.exit(1);
    await expect(repair(world, world.out(lib))).rejects.toMatchObject({
      code: "ERR_GOAL_REPAIR",
      message: expect.stringContaining(`builder for '${lib}' failed with exit code 1`),
    });
    expect(contentOf(world, world.out(lib))).toBe("damaged");
  });

  test("refuses a path that nothing makes, and one that is not valid", async () => {
    const world = new World();
    const source = world.ports.store.addText("source", "x");
    await expect(repair(world, source)).rejects.toMatchObject({
      code: "ERR_GOAL_REPAIR",
      message: `cannot repair path '${source}'`,
      hint: expect.stringContaining("nothing here builds it"),
    });
    world.ports.store.forget(source);
    await expect(repair(world, source)).rejects.toMatchObject({
      code: "ERR_STORE_NOT_VALID",
      message: `path '${source}' is not valid`,
    });
  });

  test("ends with the signal", async () => {
    const { world, lib } = await built();
    damage(world, world.out(lib));
    const controller = new AbortController();
    world.ports.sandbox.conduct = () => controller.abort();
    await expect(repair(world, world.out(lib), controller.signal)).rejects.toMatchObject({
      code: "ERR_BUILD_CANCELLED",
    });
    expect(contentOf(world, world.out(lib))).toBe("damaged");
  });
});
