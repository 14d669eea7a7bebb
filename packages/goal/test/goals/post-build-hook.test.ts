import type { StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import type { PostBuildHookPort } from "../../src/index.js";
import { memoryPorts } from "../../src/testing/index.js";
import { failureOf, names, settled, statuses, World } from "../support/world.js";

type Run = PostBuildHookPort["run"];

/** A world with a post-build hook, and what it was run for. */
function hooked(run: Run = async () => undefined) {
  const ran: Parameters<Run>[0][] = [];
  const postBuildHook: PostBuildHookPort = {
    program: "upload",
    run: (built, options) => {
      ran.push(built);
      return run(built, options);
    },
  };
  return { world: new World({ ...memoryPorts(), postBuildHook }), ran };
}

describe("a post-build hook (A15)", () => {
  test("is told the wanted outputs in byte order, once they are valid", async () => {
    const valid: boolean[] = [];
    const { world, ran } = hooked(async ({ outputs }) => {
      for (const output of outputs) valid.push(await world.isValid(output));
    });
    const drvPath = world.add({ name: "many", outputs: ["out", "dev", "doc"] });
    await world.realise([{ drvPath, outputs: names("out", "doc") }]);
    const wanted = [world.out(drvPath, "out"), world.out(drvPath, "doc")].sort();
    expect(ran).toEqual([{ drvPath, outputs: wanted }]);
    expect(valid).toEqual([true, true]);
  });

  test("is waited for by whoever needs the outputs; no slot is, and its lines are events", async () => {
    let finish: () => void = () => undefined;
    const { world, ran } = hooked(async ({ drvPath }, { write }) => {
      if (!drvPath.endsWith("a-input.drv")) return;
      write(new TextEncoder().encode("sending\nhalf"));
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    const input = world.add({ name: "a-input" });
    const needs = world.add({ name: "b-needs", inputs: [input] });
    const between = world.add({ name: "c-between" });
    const other = world.add({ name: "d-other", inputs: [between] });
    const running = world.run([needs, other]);
    for (const drvPath of [input, between, other]) (await world.building(drvPath)).succeed();
    await settled();
    expect(ran.map(({ drvPath }) => drvPath)).toEqual([input, between, other]);
    expect(world.ports.store.locked.has(world.out(input))).toBe(true);
    finish();
    (await world.building(needs)).succeed();
    expect(statuses(await running)).toEqual(["built", "built"]);
    expect(world.events.of("post-build-hook-started").at(0)).toMatchObject({
      drvPath: input,
      program: "upload",
    });
    expect(world.events.of("post-build-hook-line").map(({ line }) => line)).toEqual(["sending", "half"]);
    expect(world.events.of("post-build-hook-finished")).toHaveLength(4);
  });

  test("that fails fails its goal and what needs it; others go on, and the outputs stay valid", async () => {
    const { world } = hooked(async ({ drvPath }) => {
      if (drvPath.endsWith("bad.drv")) throw new Error("program 'upload' failed with exit code 3");
    });
    const bad = world.add({ name: "bad" });
    const needs = world.add({ name: "needs", inputs: [bad] });
    const good = world.add({ name: "good" });
    const outcome = await world.realise([needs, good, bad], { keepGoing: true });
    expect(statuses(outcome)).toEqual(["dependencyFailed", "built", "miscFailure"]);
    expect(failureOf(outcome.results[2]).errorMessage).toBe("program 'upload' failed with exit code 3");
    expect(await world.isValid(world.out(bad))).toBe(true);
    expect(world.ports.store.locked.size).toBe(0);
    expect(world.ports.store.deletedLocks).toContain(world.out(bad));
  });

  test("runs with what is valid in check mode, and not for what is substituted or valid", async () => {
    const { world, ran } = hooked();
    const drvPath = world.add({ name: "checked" });
    await world.realise([drvPath]);
    await world.realise([drvPath]);
    expect(ran).toHaveLength(1);
    await world.realise([drvPath], { mode: "check" });
    expect(ran).toEqual([1, 2].map(() => ({ drvPath, outputs: [world.out(drvPath)] })));
  });

  test("runs for the derivation with plain inputs and for the one that was asked for", async () => {
    const { world, ran } = hooked();
    const input = world.add({ name: "a-input", kind: "floating" });
    const needs = world.add({ name: "b-needs", kind: "floating", inputs: [input] });
    const settings = { experimentalFeatures: new Set(["ca-derivations"]) };
    await world.realise([needs], settings);
    const [first, resolved, last] = ran.map(({ drvPath }) => drvPath) as [StorePath, StorePath, StorePath];
    expect([first, last]).toEqual([input, needs]);
    expect(resolved.endsWith("-b-needs.drv") && resolved !== needs).toBe(true);
    expect(ran[1]?.outputs).toEqual(ran[2]?.outputs);
  });

  test("is told when nobody waits any more", async () => {
    const stop = new AbortController();
    const { world } = hooked(
      (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    );
    const drvPath = world.add({ name: "stopped" });
    const running = world.run([drvPath], { signal: stop.signal });
    (await world.building(drvPath)).succeed();
    await world.events.next("post-build-hook-started");
    stop.abort(new Error("enough"));
    expect(failureOf((await running).results[0]).errorCode).toBe("ERR_BUILD_CANCELLED");
    expect(world.ports.store.locked.size).toBe(0);
  });
});
