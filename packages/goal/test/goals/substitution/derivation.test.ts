import type { OutputName } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import type { SubstituterPort } from "../../../src/index.js";
import { FakeSubstituter, memoryPorts } from "../../../src/testing/index.js";
import { failureOf, names, outputsOf, settled, statuses, World } from "../../support/world.js";

function worldWith(...substituters: readonly SubstituterPort[]) {
  return new World({ ...memoryPorts(), substituters });
}

/** Why the goal of this derivation went from stage to stage. */
function because(world: World, drvPath: string): readonly string[] {
  return world.events.all.flatMap((event) =>
    event.type === "goal-stage" && event.goal.endsWith(drvPath) ? [event.because] : [],
  );
}

describe("a derivation", () => {
  test("whose outputs are offered is not built, and its inputs are not either (H5, S5, S6)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const input = world.add({ name: "input" });
    const drvPath = world.add({ name: "top", inputs: [input], outputs: ["out", "dev"] });
    for (const name of ["out", "dev"]) cache.offer(world.out(drvPath, name), name);
    const outcome = await world.realise([drvPath]);
    expect(statuses(outcome)).toEqual(["substituted"]);
    expect(outputsOf(outcome.results[0])).toEqual(world.outputs(drvPath));
    expect(because(world, drvPath)).toEqual(["asks-substituters", "substituted"]);
    expect(world.buildOrder()).toEqual([]);
  });

  test("is built when one of its outputs is not offered (S9)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const drvPath = world.add({ name: "top", outputs: ["out", "dev"] });
    cache.offer(world.out(drvPath), "out");
    expect(statuses(await world.realise([drvPath]))).toEqual(["built"]);
    expect(because(world, drvPath)).toEqual(["asks-substituters", "needs-build", "inputs-ready", "built"]);
  });

  test("asks only for the outputs that are wanted (H5)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const drvPath = world.add({ name: "top", outputs: ["out", "dev"] });
    cache.offer(world.out(drvPath, "dev"), "dev");
    const outcome = await world.realise([{ drvPath, outputs: names("dev") }]);
    expect([statuses(outcome), cache.asked]).toEqual([["substituted"], [world.out(drvPath, "dev")]]);
  });

  test.each([
    [{ substitute: false }, {}],
    [{}, { allowSubstitutes: "" }],
  ])("is built without asking: %j, %j (H6)", async (settings, env) => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const drvPath = world.add({ name: "top", env });
    cache.offer(world.out(drvPath), "out");
    expect(statuses(await world.realise([drvPath], settings))).toEqual(["built"]);
    expect(cache.asked).toEqual([]);
  });

  test("is substituted against its own will when the setting says so (H5)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const drvPath = world.add({ name: "top", env: { allowSubstitutes: "" } });
    cache.offer(world.out(drvPath), "out");
    expect(statuses(await world.realise([drvPath], { alwaysAllowSubstitutes: true }))).toEqual([
      "substituted",
    ]);
  });

  test("fails when what was offered does not come, unless it may be built then (S1)", async () => {
    const cache = new FakeSubstituter();
    cache.behaviour = "lies";
    const make = () => {
      const world = worldWith(cache);
      const drvPath = world.add({ name: "top" });
      cache.offer(world.out(drvPath), "out");
      return { world, drvPath };
    };
    const { world, drvPath } = make();
    const outcome = await world.realise([drvPath]);
    expect(because(world, drvPath)).toEqual(["asks-substituters", "substitutes-failed"]);
    expect(failureOf(outcome.results[0])).toMatchObject({
      status: "transientFailure",
      errorMessage: `some substitutes for the outputs of derivation '${drvPath}' failed (usually happens due to networking issues); try '--fallback' to build derivation from source `,
    });
    expect(outcome.exitStatus).toBe(1);
    const other = make();
    expect(statuses(await other.world.realise([other.drvPath], { fallback: true }))).toEqual(["built"]);
  });

  test("is asked for again when its inputs were all that was missing (S2, I3)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const input = world.add({ name: "input" });
    const drvPath = world.add({ name: "top", inputs: [input] });
    cache.offer(world.out(drvPath), "out", { references: new Set([world.out(input)]) });
    const outcome = await world.realise([drvPath]);
    expect(because(world, drvPath)).toEqual([
      "asks-substituters",
      "needs-build",
      "retry-after-incomplete-closure",
      "asks-substituters",
      "substituted",
    ]);
    expect([statuses(outcome), world.buildOrder()]).toEqual([["substituted"], ["input"]]);
  });

  test("is built when the second try fails as well: there is no third (I3)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const [input, other] = [world.add({ name: "input" }), world.add({ name: "other" })];
    const drvPath = world.add({ name: "top", inputs: [input] });
    cache.offer(world.out(drvPath), "out", { references: new Set([world.out(other)]) });
    expect(statuses(await world.realise([drvPath]))).toEqual(["built"]);
    expect(because(world, drvPath).filter((each) => each === "retry-after-incomplete-closure")).toHaveLength(
      1,
    );
  });

  test("of which more is wanted while it is being asked for begins again (S4, A16)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const drvPath = world.add({ name: "lib", outputs: ["out", "dev"] });
    // Before all others by its name, so that its goal runs first; asks for `dev` when it has been built.
    const first = world.add({ name: "a-first" });
    const user = world.add({ name: "user", inputs: [[drvPath, "dev"], first] });
    for (const name of ["out", "dev"]) cache.offer(world.out(drvPath, name), name);
    cache.offer(world.out(first), "first");
    let join = () => {};
    const joined = new Promise<void>((resolve) => {
      join = resolve;
    });
    cache.beforeArchive = async (path) => {
      if (path === world.out(drvPath)) await joined;
    };
    const running = world.realise([{ drvPath, outputs: names("out") }, user]);
    await settled();
    join();
    const outcome = await running;
    expect(statuses(outcome)).toEqual(["substituted", "built"]);
    expect(Object.keys(outputsOf(outcome.results[0]))).toContain("out");
    expect(because(world, drvPath)).toContain("outputs-added");
    expect(await world.isValid(world.out(drvPath, "dev" as OutputName))).toBe(true);
  });

  test("that is not there is obtained with what it refers to (G2)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const drvPath = world.add({ name: "top" });
    const tree = world.ports.trees.get(world.ports.store.realPathOf(drvPath));
    if (tree === undefined) throw new Error("it is there");
    cache.offer(drvPath, tree);
    world.ports.store.forget(drvPath);
    expect(statuses(await world.realise([drvPath]))).toEqual(["built"]);
    world.ports.store.forget(drvPath);
    cache.behaviours.set(drvPath, "lies");
    const failed = failureOf((await world.realise([drvPath])).results[0]);
    expect(failed.errorMessage).toBe(`cannot build missing derivation '${drvPath}'`);
  });

  test("has its missing sources from elsewhere (B5)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const source = world.ports.store.addText("source", "x");
    const drvPath = world.add({ name: "top", sources: [source] });
    cache.offer(source, "x");
    world.ports.store.forget(source);
    expect(statuses(await world.realise([drvPath]))).toEqual(["built"]);
    expect(cache.taken).toEqual([source]);

    const without = worldWith(new FakeSubstituter());
    const absent = without.ports.store.addText("source", "x");
    const needy = without.add({ name: "top", sources: [absent] });
    without.ports.store.forget(absent);
    const { results } = await without.realise([needy]);
    expect(failureOf(results[0])).toMatchObject({
      status: "dependencyFailed",
      errorMessage: `1 dependencies of derivation '${needy}' failed to build`,
      failedDependencies: [absent],
    });
  });

  test("cannot be checked when nobody has what it is to be compared with (S8)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const drvPath = world.add({ name: "top" });
    const { results } = await world.realise([drvPath], { mode: "check" });
    expect(failureOf(results[0]).errorMessage).toBe(
      `some outputs of '${drvPath}' are not valid, so checking is not possible`,
    );
  });

  test("substitutions run before builds within a pass (A1)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const drvPath = world.add({ name: "a-build" });
    const offered = world.add({ name: "z-offered" });
    cache.offer(world.out(offered), "x");
    await world.realise([drvPath, offered]);
    const first = world.events.all.findIndex((event) => event.type === "substitution-started");
    const build = world.events.all.findIndex((event) => event.type === "build-started");
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(build);
  });
});
