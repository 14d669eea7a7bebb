import { bytesOf, hashPartOf, outputPlaceholder, type StorePath, textOf } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import type { BuildSpec } from "../../src/index.js";
import { archiveOf } from "../../src/testing/fake-tree.js";
import { type FakeBuild, memoryPorts } from "../../src/testing/index.js";
import { failureOf, statuses, World } from "../support/world.js";

const open = () => new World(memoryPorts({ canBeUnconfined: true }));
const variable = ({ env }: BuildSpec, name: string) =>
  textOf(env.find(([each]) => textOf(each) === name)?.[1] ?? bytesOf(""));

/** One output says where both are and the other where it is itself, as far as the builder knows. */
function say(build: FakeBuild) {
  const [out, dev] = [variable(build.spec, "out"), variable(build.spec, "dev")];
  build.put(out as StorePath, `${out} ${dev}\n`);
  build.put(dev as StorePath, `${dev}\n`);
  build.exit(0);
}

function twoOutputs(world: World) {
  const placeholders = { out: outputPlaceholder("out" as never), dev: outputPlaceholder("dev" as never) };
  const drvPath = world.add({
    name: "two",
    outputs: ["out", "dev"],
    env: { said: Object.values(placeholders).join(" ") },
  });
  const { store, trees } = world.ports;
  const contentOf = (path: StorePath) => textOf(archiveOf(trees.get(store.realPathOf(path)) ?? "absent"));
  return { drvPath, out: world.out(drvPath), dev: world.out(drvPath, "dev"), contentOf };
}

describe("a build that is not isolated", () => {
  test("writes where its outputs are in the end", async () => {
    const world = open();
    const drvPath = world.add({ name: "plain" });
    expect(statuses(await world.realise([drvPath], { sandbox: false }))).toEqual(["built"]);
    const [build] = world.ports.sandbox.builds;
    expect(build?.spec).toMatchObject({
      isolation: "none",
      buildDir: "/fake-builds/open",
      outputs: [world.out(drvPath)],
    });
    expect(world.events.of("build-started")[0]).toMatchObject({ isolation: "none" });
  });

  test("B19: writes beside an output that is valid, and what it says of that one is of the valid one", async () => {
    const world = open();
    const { drvPath, out, dev, contentOf } = twoOutputs(world);
    world.ports.sandbox.conduct = say;
    expect(statuses(await world.run([drvPath], { sandbox: false }))).toEqual(["built"]);
    world.ports.store.forget(out);
    const before = contentOf(dev);
    expect(statuses(await world.run([drvPath], { sandbox: false }))).toEqual(["built"]);
    const again = world.ports.sandbox.builds[1];
    const [second, first] = again?.spec.outputs ?? []; // by name
    expect([first, second === dev, second?.slice(second.indexOf("-"))]).toEqual([
      out,
      false,
      dev.slice(dev.indexOf("-")),
    ]);
    expect([
      contentOf(out).includes(hashPartOf(dev)),
      contentOf(out).includes(hashPartOf(second ?? dev)),
    ]).toEqual([true, false]);
    expect(contentOf(dev)).toBe(before);
    const info = await world.ports.store.queryPathInfo(out);
    expect([...(info?.references ?? [])].sort()).toEqual([dev, out].sort());
  });

  test("is checked beside what is valid", async () => {
    const world = open();
    const { drvPath, out, contentOf } = twoOutputs(world);
    world.ports.sandbox.conduct = say;
    await world.run([drvPath], { sandbox: false });
    const before = contentOf(out);
    expect(statuses(await world.run([drvPath], { sandbox: false, mode: "check" }))).toEqual(["built"]);
    const scratch = world.ports.sandbox.builds[1]?.spec.outputs ?? [];
    expect(scratch).not.toContain(out);
    expect(contentOf(out)).toBe(before);
  });

  test("is refused to those who need a sandbox", async () => {
    const world = open();
    const drvPath = world.add({ name: "range", env: { requiredSystemFeatures: "uid-range" } });
    const { results } = await world.run([drvPath], {
      sandbox: false,
      systemFeatures: new Set(["uid-range"]),
    });
    expect(failureOf(results[0])).toMatchObject({
      status: "miscFailure",
      errorMessage: "feature 'uid-range' is only supported in sandboxed builds",
    });
  });
});

test("where the store is elsewhere than builders are told every build is isolated", async () => {
  const world = new World();
  await world.realise([world.add({ name: "plain", env: { __noChroot: "1" } })], { sandbox: "relaxed" });
  expect(world.ports.sandbox.builds[0]?.spec.isolation).toBe("sandbox");
});

test.each([
  { name: "one that asks for it", env: { __noChroot: "1" }, isolation: "none" },
  { name: "any other", env: {}, isolation: "sandbox" },
])("relaxed, $name has the isolation $isolation", async ({ env, isolation }) => {
  const world = open();
  await world.realise([world.add({ name: "plain", env })], { sandbox: "relaxed" });
  expect(world.ports.sandbox.builds[0]?.spec.isolation).toBe(isolation);
});

describe("a sandbox that cannot be had", () => {
  const refuse = ({ isolation }: BuildSpec) =>
    isolation === "none"
      ? undefined
      : Object.assign(new Error("no namespaces"), { code: "ERR_SANDBOX_UNAVAILABLE", step: "clone" });

  test("stops the build", async () => {
    const world = new World(memoryPorts({ canBeUnconfined: true, refuse }));
    const { results } = await world.realise([world.add({ name: "plain" })]);
    expect(failureOf(results[0]).errorMessage).toBe("no namespaces");
  });

  test("is left out where that is allowed and possible, with a warning", async () => {
    const world = new World(memoryPorts({ canBeUnconfined: true, refuse }));
    const { results } = await world.realise([world.add({ name: "plain" })], { sandboxFallback: true });
    expect(results[0]?.status).toBe("built");
    expect(world.events.of("message").map(({ text }) => text)).toEqual([
      expect.stringMatching(/^auto-disabling sandboxing because/u),
    ]);
    const elsewhere = new World(memoryPorts({ refuse }));
    const refused = await elsewhere.realise([elsewhere.add({ name: "plain" })], { sandboxFallback: true });
    expect(failureOf(refused.results[0]).errorMessage).toBe("no namespaces");
  });
});
