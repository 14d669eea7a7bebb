import { describe, expect, test } from "vitest";
import { failureOf, statuses, World } from "../support/world.js";

async function built() {
  const world = new World();
  const input = world.add({ name: "input" });
  const drvPath = world.add({ name: "checked", inputs: [input] });
  await world.realise([drvPath]);
  const { store, trees } = world.ports;
  return { world, drvPath, out: world.out(drvPath), real: store.realPathOf(world.out(drvPath)), trees };
}

describe("check mode", () => {
  test("builds the derivation again, not its inputs, and changes nothing when it is equal", async () => {
    const { world, drvPath } = await built();
    const registered = world.ports.store.registrations.length;
    expect(statuses(await world.realise([drvPath], { mode: "check" }))).toEqual(["built"]);
    expect(world.buildOrder()).toEqual(["input", "checked", "checked"]);
    expect(world.ports.store.registrations).toHaveLength(registered);
    expect(world.events.of("goal-stage").at(-1)?.because).toBe("checked");
  });

  test("notes that an equal output is now our own", async () => {
    const { world, drvPath, out } = await built();
    const info = await world.ports.store.queryPathInfo(out);
    if (info === undefined) throw new Error("not registered");
    await world.ports.store.registerValidPaths([{ ...info, ultimate: false }]);
    await world.realise([drvPath], { mode: "check" });
    expect(await world.ports.store.queryPathInfo(out)).toEqual({ ...info, ultimate: true });
  });

  test("tells what differs and leaves the registered output", async () => {
    const { world, drvPath, out, real, trees } = await built();
    const before = trees.get(real);
    const running = world.run([drvPath], { mode: "check" });
    const build = await world.building(drvPath);
    build.put(out, "something else");
    build.exit(0);
    const { results, exitStatus } = await running;
    expect(failureOf(results[0])).toMatchObject({
      status: "notDeterministic",
      errorMessage: `derivation '${drvPath}' may not be deterministic: output '${real}' differs`,
    });
    expect(exitStatus).toBe(104);
    expect(trees.get(real)).toBe(before);
  });

  test("keeps what differs beside it with keep-failed, over what an earlier check kept", async () => {
    const { world, drvPath, out, real, trees } = await built();
    trees.put(`${real}.check`, "of an earlier check");
    const running = world.run([drvPath], { mode: "check", keepFailed: true });
    const build = await world.building(drvPath);
    build.put(out, "something else");
    build.exit(0);
    const { results } = await running;
    expect(failureOf(results[0]).errorMessage).toBe(
      `derivation '${drvPath}' may not be deterministic: output '${real}' differs from '${real}.check'`,
    );
    expect(trees.get(`${real}.check`)).toMatchObject({ content: new TextEncoder().encode("something else") });
    expect(build.closed).toEqual({ keepBuildDir: true });
  });

  test("needs something to compare with", async () => {
    const world = new World();
    const drvPath = world.add({ name: "never-built" });
    const { results, exitStatus } = await world.run([drvPath], { mode: "check" });
    expect([failureOf(results[0]).errorMessage, exitStatus]).toEqual([
      `some outputs of '${drvPath}' are not valid, so checking is not possible`,
      1,
    ]);
  });

  test("with a failing build and a difference both show in the exit status", async () => {
    const { world, drvPath, out } = await built();
    const bad = world.add({ name: "bad" });
    await world.realise([bad]);
    const running = world.run([drvPath, bad], { mode: "check", keepGoing: true });
    (await world.building(bad)).exit(1);
    const build = await world.building(drvPath);
    build.put(out, "something else");
    build.exit(0);
    expect((await running).exitStatus).toBe(108);
  });
});
