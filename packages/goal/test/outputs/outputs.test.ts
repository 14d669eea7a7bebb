import {
  bytesOf,
  type ContentAddress,
  computeContentAddressedPath,
  hashBytes,
  parseHash,
  printHash,
} from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { type FakeBuild, type FakeTree, memoryPorts } from "../../src/testing/index.js";
import { failureOf, type RunHow, statuses, World } from "../support/world.js";

/** One derivation whose builder writes `trees` and exits with 0. */
async function build(
  world: World,
  drvPath: never,
  trees: Readonly<Record<string, FakeTree>>,
  how: RunHow = {},
) {
  const running = world.run([drvPath], how);
  const builder = await world.building(drvPath);
  for (const [name, tree] of Object.entries(trees)) builder.put(world.out(drvPath, name), tree);
  builder.exit(0);
  const outcome = await running;
  return { ...outcome, builder, failure: () => failureOf(outcome.results[0]) };
}

const directory = (entries: Readonly<Record<string, FakeTree>>): FakeTree => ({ type: "directory", entries });

describe("outputs", () => {
  test("have the hash, the size and the references that Nix gives them", async () => {
    const world = new World();
    const source = world.ports.store.addText("source", "text");
    const unused = world.ports.store.addText("unused", "other");
    const drvPath = world.add({ name: "refs", sources: [source, unused] }) as never;
    const out = world.out(drvPath);
    const { results } = await build(world, drvPath, {
      out: directory({ link: { type: "symlink", target: source }, self: `I am ${out}` }),
    });
    expect(results[0]?.status).toBe("built");
    const info = await world.ports.store.queryPathInfo(out);
    expect(info?.references).toEqual(new Set([source, out]));
    expect(info?.narSizeBytes).toBe(
      (await world.ports.trees.scan(world.ports.store.realPathOf(out), [])).narSizeBytes,
    );
  });

  test("refer to what an input brings along, not to the rest of the store", async () => {
    const world = new World();
    const far = world.ports.store.addText("far", "far");
    const near = world.ports.store.addText("near", `near ${far}`, [far]);
    const stranger = world.ports.store.addText("stranger", "stranger");
    const drvPath = world.add({ name: "refs", sources: [near] }) as never;
    const { builder } = await build(world, drvPath, { out: `${far} ${stranger}` });
    expect((await world.ports.store.queryPathInfo(world.out(drvPath)))?.references).toEqual(new Set([far]));
    expect(builder.spec.inputs).toEqual([far, near].sort());
  });

  test("B17: are registered together, each after what it refers to is in place", async () => {
    const world = new World();
    const drvPath = world.add({ name: "multi", outputs: ["out", "dev", "lib"] }) as never;
    const { dev, lib, out } = world.outputs(drvPath) as Record<string, never>;
    await build(world, drvPath, { out: `needs ${lib}`, dev: `needs ${out}`, lib: "alone" });
    expect(world.ports.store.registrations).toEqual([[lib, out, dev]]);
    expect(world.events.of("registered")[0]?.outputs.map(({ name }) => name)).toEqual(["lib", "out", "dev"]);
  });

  test("B17: in a circle are refused with both ends, and none is registered", async () => {
    const world = new World();
    const drvPath = world.add({ name: "circle", outputs: ["out", "dev"] }) as never;
    const { dev, out } = world.outputs(drvPath) as Record<string, never>;
    const { failure, exitStatus } = await build(world, drvPath, { out: `${dev}`, dev: `${out}` });
    expect(failure()).toMatchObject({
      status: "outputRejected",
      errorMessage: `cycle detected in build of '${drvPath}' in the references of output 'dev' from output 'out'`,
    });
    expect([exitStatus, world.ports.store.registrations]).toEqual([1, []]);
  });

  test("B31: of a builder that failed stay, not valid, until the next attempt", async () => {
    const world = new World();
    const drvPath = world.add({ name: "half", outputs: ["out", "dev", "lib"] });
    const { store, trees } = world.ports;
    const running = world.run([drvPath]);
    const builder = await world.building(drvPath);
    builder.put(world.out(drvPath), { type: "regular", content: bytesOf("half"), mode: 0o4777, uid: 1000 });
    builder.put(world.out(drvPath, "dev"), {
      type: "directory",
      entries: { pipe: { type: "other" } },
      uid: 1000,
    });
    builder.exit(1);
    await running;
    const treeOf = (output: string) => trees.get(store.realPathOf(world.out(drvPath, output)));
    expect([treeOf("out"), treeOf("dev"), treeOf("lib")]).toEqual([
      { type: "regular", content: bytesOf("half"), executable: true },
      undefined,
      undefined,
    ]);
    expect(await world.isValid(world.out(drvPath))).toBe(false);
    const again = world.run([drvPath]);
    const next = await world.building(drvPath);
    expect(treeOf("out")).toBeUndefined();
    next.exit(1);
    await again;
  });

  test("that are missing are named", async () => {
    const world = new World();
    const drvPath = world.add({ name: "lazy", outputs: ["out", "dev"] }) as never;
    const { failure, exitStatus, builder } = await build(world, drvPath, { out: "here" });
    const dev = world.out(drvPath, "dev");
    expect(failure()).toMatchObject({
      status: "outputRejected",
      errorMessage: `builder for '${drvPath}' failed to produce output path for output 'dev' at '${builder.scratchLocation(dev)}'`,
    });
    expect([exitStatus, await world.isValid(world.out(drvPath))]).toEqual([1, false]);
  });

  test.each<{ name: string; tree: FakeTree }>([
    {
      name: "writable by the group",
      tree: { type: "regular", content: bytesOf("x"), mode: 0o664, uid: 1000 },
    },
    { name: "writable by everybody", tree: { type: "directory", entries: {}, mode: 0o757, uid: 1000 } },
    { name: "of somebody else", tree: { type: "regular", content: bytesOf("x"), uid: 0 } },
    { name: "a link of somebody else", tree: { type: "symlink", target: "x", uid: 0 } },
  ])("$name are refused", async ({ tree }) => {
    const world = new World(memoryPorts({ builderUid: 1000 }));
    const drvPath = world.add({ name: "suspicious" }) as never;
    const { failure, exitStatus, builder } = await build(world, drvPath, { out: tree });
    expect(failure()).toMatchObject({
      status: "outputRejected",
      errorMessage: `suspicious ownership or permission on '${builder.scratchLocation(world.out(drvPath))}' for output 'out'; rejecting this build output`,
    });
    expect(exitStatus).toBe(1);
  });

  test("B14: with a file of somebody else inside are refused", async () => {
    const world = new World(memoryPorts({ builderUid: 1000 }));
    const drvPath = world.add({ name: "linked" }) as never;
    const { failure } = await build(world, drvPath, {
      out: {
        type: "directory",
        uid: 1000,
        entries: { shadow: { type: "regular", content: bytesOf("x"), uid: 0 } },
      },
    });
    expect(failure().status).toBe("outputRejected");
  });

  test("B14: with a device inside are an error of this goal", async () => {
    const world = new World();
    const drvPath = world.add({ name: "device" }) as never;
    const { failure, exitStatus } = await build(world, drvPath, {
      out: directory({ null: { type: "other" } }),
    });
    expect([failure().status, exitStatus]).toEqual(["miscFailure", 1]);
  });

  test("B15: lose owner and mode before they are hashed", async () => {
    const world = new World();
    const drvPath = world.add({ name: "modes" }) as never;
    await build(world, drvPath, {
      out: directory({ run: { type: "regular", content: bytesOf("x"), mode: 0o700, uid: 0 } }),
    });
    expect(world.ports.trees.get(world.ports.store.realPathOf(world.out(drvPath)))).toEqual({
      type: "directory",
      entries: { run: { type: "regular", content: bytesOf("x"), executable: true } },
    });
  });

  test("left invalid by an earlier attempt are deleted before the builder starts", async () => {
    const world = new World();
    const drvPath = world.add({ name: "again" }) as never;
    const real = world.ports.store.realPathOf(world.out(drvPath));
    world.ports.trees.put(real, "rubbish");
    const running = world.run([drvPath]);
    const builder = await world.building(drvPath);
    expect(world.ports.trees.get(real)).toBeUndefined();
    builder.succeed();
    expect(statuses(await running)).toEqual(["built"]);
  });

  test("whose references are discarded have none", async () => {
    const world = new World();
    const source = world.ports.store.addText("source", "text");
    const drvPath = world.add({
      name: "discarding",
      sources: [source],
      env: { __json: JSON.stringify({ unsafeDiscardReferences: { out: true } }) },
    }) as never;
    await build(world, drvPath, { out: source });
    expect((await world.ports.store.queryPathInfo(world.out(drvPath)))?.references.size).toBe(0);
  });
});

describe("fixed outputs", () => {
  const content = "abc";
  const address = (text: string): ContentAddress => ({
    method: "flat",
    hash: hashBytes("sha256", bytesOf(text)),
  });

  test("B11: are copied to a private place first, and only the copy counts", async () => {
    const world = new World();
    const drvPath = world.add({ name: "file", fixed: address(content) }) as never;
    const { results, builder } = await build(world, drvPath, { out: content });
    expect(results[0]?.status).toBe("built");
    expect(builder.spec.network).toBe("host");
    const scratch = builder.scratchLocation(world.out(drvPath));
    const copy = world.ports.trees.changes
      .find((change) => change.startsWith(`copy ${scratch} `))
      ?.split(" ")[2];
    expect(world.ports.trees.changes).toContain(`canonicalise ${copy}`);
    expect(await world.ports.store.queryPathInfo(world.out(drvPath))).toMatchObject({ ca: address(content) });
    expect(world.ports.trees.paths().filter((path) => path.includes("/tmp-"))).toEqual([]);
  });

  test("B20: of another content are told with both hashes and kept under their real path", async () => {
    const world = new World();
    const drvPath = world.add({ name: "file", fixed: address("expected") }) as never;
    const { failure, exitStatus } = await build(world, drvPath, { out: content });
    const sri = (text: string) => printHash(hashBytes("sha256", bytesOf(text)), "sri");
    expect(failure()).toMatchObject({
      status: "hashMismatch",
      errorMessage: `hash mismatch in fixed-output derivation '${drvPath}':\n  specified: ${sri("expected")}\n     got:    ${sri(content)}`,
    });
    expect(exitStatus).toBe(102);
    const real = computeContentAddressedPath(world.ports.store.storeDir, "file", address(content));
    expect(await world.isValid(real)).toBe(true);
    expect(await world.isValid(world.out(drvPath))).toBe(false);
    const corrected = world.add({ name: "file", fixed: address(content) });
    expect(statuses(await world.run([corrected]))).toEqual(["alreadyValid"]);
  });

  test("B21: whose real path another build owns are not waited for", async () => {
    const world = new World();
    const drvPath = world.add({ name: "file", fixed: address("expected") }) as never;
    const real = computeContentAddressedPath(world.ports.store.storeDir, "file", address(content));
    await world.ports.store.tryLockOutputs([real]);
    const { failure } = await build(world, drvPath, { out: content });
    expect([failure().status, await world.isValid(real)]).toEqual(["hashMismatch", false]);
  });

  test("B22: must not refer to store paths", async () => {
    const world = new World();
    const source = world.ports.store.addText("source", "text");
    const drvPath = world.add({ name: "file", sources: [source], fixed: address(content) }) as never;
    const { failure, exitStatus } = await build(world, drvPath, { out: source });
    expect(failure()).toMatchObject({
      status: "hashMismatch",
      errorMessage: `fixed-output derivations must not reference store paths: '${drvPath}' references 1 distinct paths, e.g. '${source}'`,
    });
    expect([exitStatus, world.ports.store.registrations]).toEqual([102, []]);
  });

  test.each<{ name: string; tree: FakeTree }>([
    { name: "a directory", tree: directory({}) },
    { name: "executable", tree: { type: "regular", content: bytesOf(content), executable: true } },
  ])("hashed flat must not be $name", async ({ tree }) => {
    const world = new World();
    const drvPath = world.add({ name: "file", fixed: address(content) }) as never;
    const { failure } = await build(world, drvPath, { out: tree });
    expect(failure()).toMatchObject({
      status: "outputRejected",
      errorMessage: expect.stringMatching(
        /^output path '.*' should be a non-executable regular file since recursive hashing is not enabled \(outputHashMode=flat\)$/u,
      ),
    });
  });

  test("hashed as an archive may be a directory, by any algorithm", async () => {
    const world = new World();
    const hash = parseHash("sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709");
    const drvPath = world.add({ name: "tree", fixed: { method: "nar", hash } }) as never;
    const { failure } = await build(world, drvPath, { out: directory({}) });
    expect(failure().errorMessage).toMatch(/got: {4}sha1-/u);
  });

  test("in check mode show a mismatch as such", async () => {
    const world = new World();
    const drvPath = world.add({ name: "file", fixed: address(content) }) as never;
    await build(world, drvPath, { out: content });
    const { exitStatus } = await build(world, drvPath, { out: "changed upstream" }, { mode: "check" });
    expect(exitStatus).toBe(102);
  });

  test("mismatch and difference add up in the exit status", async () => {
    const world = new World();
    const file = world.add({ name: "file", fixed: address(content) }) as never;
    const plain = world.add({ name: "plain" }) as never;
    await build(world, file, { out: content });
    await build(world, plain, { out: "once" });
    const running = world.run([file, plain], { mode: "check", keepGoing: true });
    const finish = (builder: FakeBuild) => {
      for (const output of builder.spec.outputs) builder.put(output, "else");
      builder.exit(0);
    };
    finish(await world.building(file));
    finish(await world.building(plain));
    expect((await running).exitStatus).toBe(110);
  });
});
