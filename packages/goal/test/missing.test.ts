import { defaultStoreDir, parseStorePath, type StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { defaultWorkerSettings, queryMissing, type WorkerSettings } from "../src/index.js";
import { FakeSubstituter, memoryPorts } from "../src/testing/index.js";
import { names, World } from "./support/world.js";

const absent = parseStorePath(defaultStoreDir, `/nix/store/${"0".repeat(32)}-absent`);
const lib = parseStorePath(defaultStoreDir, `/nix/store/${"1".repeat(32)}-lib`);

/** Everything that is not empty or zero. */
async function missing(
  world: World,
  drvPaths: readonly StorePath[],
  more: {
    readonly cache?: FakeSubstituter;
    readonly settings?: Partial<WorkerSettings>;
    readonly onWarning?: (text: string) => void;
  } = {},
) {
  const { cache, settings, onWarning } = more;
  const found = await queryMissing(
    drvPaths.map((path) => (path.endsWith(".drv") ? { drvPath: path, outputs: "all" } : { path })),
    {
      ports: { store: world.ports.store, substituters: cache === undefined ? [] : [cache] },
      settings: { ...defaultWorkerSettings, ...settings },
      ...(onWarning === undefined ? {} : { onWarning }),
    },
  );
  return Object.fromEntries(
    Object.entries(found).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value !== 0)),
  );
}

describe("what is missing", () => {
  test("is nothing of what is valid, whatever lies below", async () => {
    const world = new World(memoryPorts());
    const input = world.add({ name: "input" });
    const top = world.add({ name: "top", inputs: [input] });
    await world.realise([top]);
    expect(await missing(world, [top, input, world.out(top)])).toEqual({});
  });

  test("is what has to be built, inputs first and each once", async () => {
    const world = new World(memoryPorts());
    const a = world.add({ name: "a" });
    const b = world.add({ name: "b", inputs: [a] });
    const c = world.add({ name: "c", inputs: [a, b] });
    const top = world.add({ name: "top", inputs: [c, a] });
    expect(await missing(world, [b, top])).toEqual({ willBuild: [a, b, c, top] });
  });

  test("is only what is below the first valid output", async () => {
    const world = new World(memoryPorts());
    const a = world.add({ name: "a" });
    const b = world.add({ name: "b", inputs: [a] });
    await world.realise([b]);
    const top = world.add({ name: "top", inputs: [b] });
    expect(await missing(world, [top])).toEqual({ willBuild: [top] });
  });

  test("is fetched with its references when all wanted outputs are offered", async () => {
    const world = new World(memoryPorts());
    const input = world.add({ name: "input" });
    const top = world.add({ name: "top", inputs: [input] });
    const cache = new FakeSubstituter();
    const a = cache.offer(lib, "lib", { downloadSizeBytes: 70 });
    const b = cache.offer(world.out(top), "top", { references: new Set([lib]), downloadSizeBytes: 7 });
    expect(await missing(world, [top], { cache })).toEqual({
      willSubstitute: [lib, world.out(top)].sort(),
      downloadSizeBytes: 77,
      narSizeBytes: a.narSizeBytes + b.narSizeBytes,
    });
    expect(cache.taken).toEqual([]);
  });

  test("asks for each path once, and for no more at a time than the setting says", async () => {
    const world = new World(memoryPorts());
    const tops = ["a", "b", "c", "d"].map((name) => world.add({ name }));
    const top = world.add({ name: "top", inputs: tops });
    const cache = new FakeSubstituter();
    for (const path of tops) cache.offer(world.out(path), "x", { references: new Set([lib]) });
    cache.offer(lib, "lib");
    let [now, most] = [0, 0];
    const query = cache.queryPathInfo.bind(cache);
    cache.queryPathInfo = async (path) => {
      now += 1;
      most = Math.max(most, now);
      await Promise.resolve();
      now -= 1;
      return query(path);
    };
    await missing(world, [top, ...tops], { cache, settings: { maxSubstitutionJobs: 2 } });
    expect([...cache.asked].sort()).toEqual(
      [world.out(top), ...tops.map((path) => world.out(path)), lib].sort(),
    );
    expect(most).toBe(2);
  });

  test("is built when one wanted output is not offered", async () => {
    const world = new World(memoryPorts());
    const top = world.add({ name: "top", outputs: ["out", "dev"] });
    const cache = new FakeSubstituter();
    cache.offer(world.out(top), "out");
    expect(await missing(world, [top], { cache })).toEqual({ willBuild: [top] });
  });

  test("counts only the outputs that are wanted", async () => {
    const world = new World(memoryPorts());
    const input = world.add({ name: "input", outputs: ["out", "dev"] });
    const top = world.add({ name: "top", inputs: [[input, "dev"]] });
    const cache = new FakeSubstituter();
    const dev = cache.offer(world.out(input, "dev"), "dev");
    expect(await missing(world, [top], { cache })).toEqual({
      willBuild: [top],
      willSubstitute: [dev.path],
      narSizeBytes: dev.narSizeBytes,
    });
  });

  test.each([
    [{ substitute: false }, {}],
    [{}, { allowSubstitutes: "" }],
  ])("is built where substitutes are not allowed: %j %j", async (settings, env) => {
    const world = new World(memoryPorts());
    const top = world.add({ name: "top", env });
    const cache = new FakeSubstituter();
    cache.offer(world.out(top), "out");
    expect(await missing(world, [top], { cache, settings })).toEqual({ willBuild: [top] });
  });

  test("is unknown when nobody has a path, a reference, or the derivation", async () => {
    const world = new World(memoryPorts());
    const top = world.add({ name: "top" });
    const cache = new FakeSubstituter();
    const offered = cache.offer(world.out(top), "top", { references: new Set([lib]) });
    const drv = parseStorePath(defaultStoreDir, `${absent}.drv`);
    expect(await missing(world, [top, absent, drv], { cache })).toEqual({
      willSubstitute: [offered.path],
      narSizeBytes: offered.narSizeBytes,
      unknown: [absent, drv, lib],
    });
  });

  test("goes by what a build would take: signatures count, and one that fails is asked once", async () => {
    const world = new World(memoryPorts());
    const [a, b] = [world.add({ name: "a" }), world.add({ name: "b" })];
    const unsigned = new FakeSubstituter({ trusted: false });
    unsigned.offer(world.out(a), "a");
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    expect(await missing(world, [a], { cache: unsigned, onWarning })).toEqual({ willBuild: [a] });
    const dead = new FakeSubstituter();
    dead.behaviour = "throws";
    expect(
      await missing(world, [a, b], { cache: dead, settings: { maxSubstitutionJobs: 1 }, onWarning }),
    ).toEqual({ willBuild: [a, b].sort() });
    expect(dead.asked).toHaveLength(1);
    expect(warnings).toEqual([
      expect.stringContaining("not signed by any of the keys"),
      expect.stringContaining("is not asked any more"),
    ]);
  });

  test("looks again at a derivation when more of it is wanted", async () => {
    const world = new World(memoryPorts());
    const input = world.add({ name: "input", outputs: ["out", "dev"] });
    const cache = new FakeSubstituter();
    const out = cache.offer(world.out(input), "out");
    const one = world.add({ name: "one", inputs: [[input, "out"]] });
    const two = world.add({ name: "two", inputs: [one, [input, "dev"]] });
    expect(await missing(world, [one], { cache })).toMatchObject({
      willBuild: [one],
      willSubstitute: [out.path],
    });
    expect(await missing(world, [two], { cache })).toEqual({ willBuild: [input, one, two] });
  });

  test("refuses an output that is none, and ends with its signal", async () => {
    const world = new World(memoryPorts());
    const top = world.add({ name: "top" });
    const options = { ports: { store: world.ports.store }, settings: defaultWorkerSettings };
    await expect(queryMissing([{ drvPath: top, outputs: names("dev") }], options)).rejects.toMatchObject({
      code: "ERR_GOAL_UNKNOWN_OUTPUT",
    });
    const reason = new Error("enough");
    await expect(
      queryMissing([{ drvPath: top, outputs: "all" }], { ...options, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });

  test("is what is not known yet, not what was built under a path of its content", async () => {
    const world = new World(memoryPorts());
    const lib = world.add({ name: "lib", kind: "floating" });
    const app = world.add({ name: "app", kind: "floating", inputs: [lib] });
    const settings = { experimentalFeatures: new Set(["ca-derivations"]) };
    await world.realise([lib], settings);
    expect(await missing(world, [lib], { settings })).toEqual({});
    expect(await missing(world, [app], { settings })).toEqual({ willBuild: [app] });
    expect(await missing(world, [app])).toEqual({ willBuild: [lib, app] });
  });
});
