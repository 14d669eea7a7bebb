import { describe, expect, test } from "vitest";
import type { DifferingOutput, DiffHookPort } from "../../src/ports/diff-hook.js";
import { memoryPorts } from "../../src/testing/index.js";
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

  test("tells which files differ in which outputs", async () => {
    const world = new World();
    const drvPath = world.add({ name: "two", outputs: ["out", "dev"] });
    const [out, dev] = [world.out(drvPath), world.out(drvPath, "dev")];
    const directory = (entries: Readonly<Record<string, string>>) =>
      ({ type: "directory", entries, uid: 1000 }) as const;
    const build = async (
      mode: "normal" | "check",
      entries: Readonly<Record<string, string>>,
      text: string,
    ) => {
      const running = world.run([drvPath], { mode });
      const builder = await world.building(drvPath);
      builder.put(out, directory(entries));
      builder.put(dev, text);
      builder.exit(0);
      return await running;
    };
    await build("normal", { a: "1", b: "2", same: "3" }, "at 10:00");
    const { results } = await build("check", { a: "one", c: "2", same: "3" }, "at 10:01");
    const contents = { kind: "contents", offset: 0, registered: "1", built: "one" };
    expect(failureOf(results[0]).differences).toEqual([
      {
        output: "dev",
        path: dev,
        count: 1,
        files: [expect.objectContaining({ file: "", kind: "contents", offset: 7, reason: "time" })],
      },
      {
        output: "out",
        path: out,
        count: 3,
        files: [
          { file: "a", ...contents, registeredSizeBytes: 1, builtSizeBytes: 3 },
          { file: "b", kind: "only", onlyIn: "registered" },
          { file: "c", kind: "only", onlyIn: "built" },
        ],
      },
    ]);
  });

  test("finds a difference where what is registered cannot be read, and says that", async () => {
    const { world, drvPath, out, real, trees } = await built();
    await trees.remove(real);
    const running = world.run([drvPath], { mode: "check" });
    const build = await world.building(drvPath);
    build.put(out, "something else");
    build.exit(0);
    const { results } = await running;
    expect(failureOf(results[0])).toMatchObject({
      status: "notDeterministic",
      differences: [{ count: 0, files: [] }],
    });
    expect(world.events.of("message").map(({ text }) => text)).toContain(
      `cannot tell what differs in '${real}': no such file: '${real}'`,
    );
  });

  test.each([
    { name: "says", run: async () => "they differ\n", text: "they differ" },
    {
      name: "fails with",
      run: async () => Promise.reject(new Error("no")),
      text: "diff hook execution failed: no",
    },
  ])("tells what the diff hook $name", async ({ run, text }) => {
    const shown: DifferingOutput[] = [];
    const diffHook: DiffHookPort = {
      run: (differing) => {
        shown.push(differing);
        return run();
      },
    };
    const world = new World({ ...memoryPorts(), diffHook });
    const drvPath = world.add({ name: "checked" });
    await world.realise([drvPath]);
    const running = world.run([drvPath], { mode: "check" });
    const build = await world.building(drvPath);
    build.put(world.out(drvPath), "something else");
    build.exit(0);
    const { results } = await running;
    const registered = world.ports.store.realPathOf(world.out(drvPath));
    expect(failureOf(results[0])).toMatchObject({
      status: "notDeterministic",
      differences: [{ kept: `${registered}.check` }],
    });
    const { buildDir, builderUids } = build;
    expect(shown).toEqual([
      {
        drvPath,
        registered,
        built: `${registered}.check`,
        buildDir,
        uid: builderUids?.first,
        gid: undefined,
      },
    ]);
    expect(world.events.of("message")).toMatchObject([{ level: "error", text }]);
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
