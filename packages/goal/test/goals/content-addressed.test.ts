import {
  bytesOf,
  computeContentAddressedPath,
  computedPlaceholder,
  computeScratchPath,
  hashBytes,
  hashModuloSelf,
  hashPartOf,
  makeOutputName,
  type OutputName,
  printDerivation,
  type StorePath,
  textOf,
  upstreamPlaceholder,
} from "@drvkit/drv-parser";
import { printDrvOutput, type Realisation } from "@drvkit/narinfo";
import { describe, expect, test } from "vitest";
import { archiveOf, type FakeBuild, type FakeTree } from "../../src/testing/index.js";
import { because, failureOf, names, outputsOf, type RunHow, statuses, World } from "../support/world.js";

const out = makeOutputName("out");
const features = { experimentalFeatures: new Set(["ca-derivations", "impure-derivations"]) };
const on: RunHow = features;

/** Builders write these trees, made from where they are to write, for derivations of these names. */
function conduct(world: World, trees: Readonly<Record<string, (build: FakeBuild) => FakeTree>>): void {
  world.ports.sandbox.conduct = (build) => {
    const name = build.spec.drvPath.replace(/^.*\/[^-]*-/u, "").replace(/\.drv$/u, "");
    for (const output of build.spec.outputs) build.put(output, trees[name]?.(build) ?? `${name}\n`);
    build.exit(0);
  };
}

async function realisationOf(world: World, drvPath: StorePath, name: OutputName = out) {
  const hash = (await world.ports.store.queryOutputHashes(drvPath)).get(name);
  if (hash === undefined) throw new Error(`no output '${name}'`);
  return world.ports.store.queryRealisation({ type: "hash", hash, outputName: name });
}

const envOf = (build: FakeBuild, name: string) =>
  build.spec.env.flatMap(([key, value]) => (textOf(key) === name ? [textOf(value)] : []))[0];

describe("a floating output", () => {
  test("is written to a scratch path and gets the path of its content", async () => {
    const world = new World();
    const drvPath = world.add({
      name: "float",
      kind: "floating",
      env: { where: "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9" },
    });
    conduct(world, {});
    const outcome = await world.run([drvPath], on);
    const [build] = world.ports.sandbox.builds;
    const { storeDir } = world.ports.store;
    const scratch = computeScratchPath(storeDir, drvPath, out);
    expect(build?.spec.outputs).toEqual([scratch]);
    expect(build && envOf(build, "where")).toBe(scratch);
    const hash = hashModuloSelf("sha256", archiveOf("float\n"), "0".repeat(32)).hash;
    const path = computeContentAddressedPath(storeDir, "float", { method: "nar", hash });
    expect(outputsOf(outcome.results[0])).toEqual({ out: path });
    expect(statuses(outcome)).toEqual(["built"]);
    expect(await world.ports.store.queryPathInfo(path)).toMatchObject({
      ca: { method: "nar", hash },
      deriver: drvPath,
    });
    expect(await realisationOf(world, drvPath)).toMatchObject({ outPath: path, signatures: [] });
  });

  test("is known the second time", async () => {
    const world = new World();
    const drvPath = world.add({ name: "float", kind: "floating" });
    conduct(world, {});
    const first = await world.run([drvPath], on);
    const second = await world.run([drvPath], on);
    expect([statuses(second), outputsOf(second.results[0])]).toEqual([
      ["alreadyValid"],
      outputsOf(first.results[0]),
    ]);
  });

  test("B17: that names itself and its siblings is rewritten to where they end up", async () => {
    const world = new World();
    const drvPath = world.add({ name: "multi", kind: "floating", outputs: ["out", "lib"] });
    world.ports.sandbox.conduct = (build) => {
      const [lib, main] = ["lib", "out"].map((name) =>
        build.spec.outputs.find((path) => path.endsWith(name === "out" ? "-multi" : "-multi-lib")),
      ) as [StorePath, StorePath];
      build.put(lib, `I am ${lib}`);
      build.put(main, {
        type: "directory",
        entries: { link: { type: "symlink", target: lib }, self: `${main} uses ${lib}` },
      });
      build.exit(0);
    };
    const outputs = outputsOf((await world.run([drvPath], on)).results[0]);
    const { store, trees } = world.ports;
    expect(trees.get(store.realPathOf(outputs["lib"] as StorePath))).toMatchObject({
      content: bytesOf(`I am ${outputs["lib"]}`),
    });
    expect(trees.get(store.realPathOf(outputs["out"] as StorePath))).toMatchObject({
      entries: {
        link: { target: outputs["lib"] },
        self: { content: bytesOf(`${outputs["out"]} uses ${outputs["lib"]}`) },
      },
    });
    const info = await store.queryPathInfo(outputs["out"] as StorePath);
    expect([...(info?.references ?? [])].sort()).toEqual([outputs["lib"], outputs["out"]].sort());
    const scratch = computeScratchPath(store.storeDir, drvPath, makeOutputName("lib"));
    const { hash } = hashModuloSelf("sha256", archiveOf(`I am ${scratch}`), scratch.slice(11, 43));
    expect(outputs["lib"]).toBe(
      computeContentAddressedPath(store.storeDir, "multi-lib", { method: "nar", hash }, { self: true }),
    );
  });

  test("of another derivation with the same content is the same object", async () => {
    const world = new World();
    const [one, two] = [{ n: "1" }, { n: "2" }].map((env) =>
      world.add({ name: "same", kind: "floating", env }),
    ) as [StorePath, StorePath];
    conduct(world, {});
    const outcome = await world.run([one, two], on);
    expect(outputsOf(outcome.results[0])).toEqual(outputsOf(outcome.results[1]));
    expect(world.ports.sandbox.builds).toHaveLength(2);
    expect(world.ports.store.locked.size).toBe(0);
  });

  test("B18: that names itself is the same object wherever it was written, and not one with zeros in that place", async () => {
    const world = new World();
    const drvPaths = ["1", "2", "zeros"].map((n) =>
      world.add({ name: "self", kind: "floating", env: { n } }),
    );
    const written = new Set<StorePath>();
    conduct(world, {
      self: (build) => {
        const [path] = build.spec.outputs as [StorePath];
        if (envOf(build, "n") === "zeros") return `I am ${path.replace(hashPartOf(path), "\0".repeat(32))}`;
        written.add(path);
        return `I am ${path}`;
      },
    });
    const { results } = await world.run(drvPaths, on);
    const [one, two, zeros] = results.map((result) => outputsOf(result)["out"] as StorePath);
    expect(written.size).toBe(2);
    expect(two).toBe(one);
    expect(zeros).not.toBe(one);
    const { store, trees } = world.ports;
    expect(trees.get(store.realPathOf(one as StorePath))).toMatchObject({ content: bytesOf(`I am ${one}`) });
  });

  test("waits while another process makes the same object", async () => {
    const world = new World();
    const drvPath = world.add({ name: "float", kind: "floating" });
    conduct(world, {});
    const { results } = await new World().run([], on);
    expect(results).toEqual([]);
    const other = new World();
    const twin = other.add({ name: "float", kind: "floating" });
    conduct(other, {});
    const path = outputsOf((await other.run([twin], on)).results[0])["out"] as StorePath;
    const lock = await world.ports.store.tryLockOutputs([path]);
    const running = world.run([drvPath], on);
    while (world.events.of("waiting-for-lock").length === 0) await new Promise((done) => setImmediate(done));
    await lock?.[Symbol.asyncDispose]();
    world.ports.clock.advance(5000);
    expect(statuses(await running)).toEqual(["built"]);
    expect(world.events.of("waiting-for-lock")[0]?.outputs).toEqual([path]);
  });

  test("that discards its references is rewritten all the same", async () => {
    const world = new World();
    const json = JSON.stringify({ unsafeDiscardReferences: { out: true } });
    const drvPath = world.add({ name: "quiet", kind: "floating", env: { __json: json } });
    conduct(world, { quiet: (build) => `I am ${build.spec.outputs[0]}` });
    const path = outputsOf((await world.run([drvPath], on)).results[0])["out"] as StorePath;
    const { store, trees } = world.ports;
    expect(trees.get(store.realPathOf(path))).toMatchObject({ content: bytesOf(`I am ${path}`) });
    expect((await store.queryPathInfo(path))?.references.size).toBe(0);
  });

  test("of a derivation whose name leaves no room for a lock is built", async () => {
    const world = new World();
    const drvPath = world.add({ name: "n".repeat(206), kind: "floating" });
    conduct(world, {});
    expect(statuses(await world.run([drvPath], on))).toEqual(["built"]);
  });

  test("that may not refer to anything is rejected when it does", async () => {
    const world = new World();
    const source = world.ports.store.addText("source", "text");
    const { env, ...drv } = world.ports.store.readDerivationSync(
      world.add({ name: "flat", kind: "floating", sources: [source] }),
    );
    const drvPath = world.ports.store.addDerivationSync({
      ...drv,
      env,
      outputs: new Map([[out, { kind: "floating", method: "flat", algorithm: "sha256" }]]),
    });
    conduct(world, { flat: () => `uses ${source}` });
    const { results } = await world.run([drvPath], on);
    expect(failureOf(results[0])).toMatchObject({ status: "outputRejected" });
  });

  test("that comes out as another object differs in check mode", async () => {
    const world = new World();
    const drvPath = world.add({ name: "float", kind: "floating" });
    conduct(world, {});
    await world.run([drvPath], on);
    expect(statuses(await world.run([drvPath], { ...on, mode: "check" }))).toEqual(["built"]);
    conduct(world, { float: () => "other" });
    const { results, exitStatus } = await world.run([drvPath], { ...on, mode: "check" });
    expect([failureOf(results[0]).status, exitStatus]).toEqual(["notDeterministic", 104]);
  });
});

describe("a derivation with inputs whose paths are not known ", () => {
  function chain(kind: "floating" | "deferred") {
    const world = new World();
    const lib = world.add({ name: "lib", kind: "floating" });
    const app = world.add({ name: "app", kind, inputs: [lib], env: { lib: upstreamPlaceholder(lib, out) } });
    conduct(world, { app: (build) => `uses ${envOf(build, "lib")}` });
    return { world, lib, app };
  }

  test.each(["floating", "deferred"] as const)(
    "A19: %s: what is built has plain paths (I4, R1)",
    async (kind) => {
      const { world, lib, app } = chain(kind);
      const outcome = await world.run([app], on);
      expect([statuses(outcome), outcome.exitStatus]).toEqual([["built"], 0]);
      const libPath = (await realisationOf(world, lib))?.outPath;
      const [resolution] = world.events.of("derivation-resolved");
      expect(resolution).toMatchObject({ drvPath: app });
      const resolved = resolution?.resolved as StorePath;
      const drv = await world.ports.store.readDerivation(resolved);
      expect([drv.inputDrvs.size, [...drv.inputSrcs]]).toEqual([0, [libPath]]);
      expect(because(world, app)).toEqual(["needs-build", "needs-resolution", "resolved-built"]);
      const path = outputsOf(outcome.results[0])["out"] as StorePath;
      const node = world.ports.trees.get(world.ports.store.realPathOf(path));
      expect(node).toMatchObject({ content: bytesOf(`uses ${libPath}`) });
      if (kind === "deferred") expect(world.outputs(resolved)).toEqual({ out: path });
      expect(world.buildOrder()).toEqual(["lib", "app"]);
    },
  );

  test.each(["floating", "deferred"] as const)("%s: is known with what it depends on", async (kind) => {
    const { world, lib, app } = chain(kind);
    await world.run([app], on);
    const libId = (await realisationOf(world, lib)) as Realisation;
    const [own, resolved] = [
      await realisationOf(world, app),
      await realisationOf(world, world.events.of("derivation-resolved")[0]?.resolved as StorePath),
    ];
    expect(own?.dependentRealisations).toEqual(new Map([[printDrvOutput(libId.id), libId.outPath]]));
    expect([resolved?.outPath, resolved?.dependentRealisations.size]).toEqual([own?.outPath, 0]);
    expect(statuses(await world.run([app], on))).toEqual(["alreadyValid"]);
  });

  test("A19: resolves to what is valid already when only the way there changed", async () => {
    const world = new World();
    const [one, two] = [{ n: "1" }, { n: "2" }].map((env) =>
      world.add({ name: "lib", kind: "floating", env }),
    ) as [StorePath, StorePath];
    const [first, second] = [one, two].map((lib) =>
      world.add({
        name: "app",
        kind: "floating",
        inputs: [lib],
        env: { lib: upstreamPlaceholder(lib, out) },
      }),
    ) as [StorePath, StorePath];
    conduct(world, {});
    const before = await world.run([first], on);
    const after = await world.run([second], on);
    expect(statuses(after)).toEqual(["resolvesToAlreadyValid"]);
    expect(outputsOf(after.results[0])).toEqual(outputsOf(before.results[0]));
    expect(world.buildOrder()).toEqual(["lib", "app", "lib"]);
  });

  test("fails as the resolved derivation does", async () => {
    const { world, app } = chain("floating");
    world.ports.sandbox.conduct = (build) => {
      if (build.spec.drvPath.endsWith("-app.drv")) build.exit(1);
      else build.succeed();
    };
    const { results, exitStatus } = await world.run([app], on);
    const { resolved } = world.events.of("derivation-resolved")[0] as { resolved: StorePath };
    expect(failureOf(results[0])).toMatchObject({
      status: "permanentFailure",
      errorMessage: `build of resolved derivation '${resolved}' failed`,
      failedDependencies: [resolved],
    });
    expect([exitStatus, because(world, app).at(-1)]).toEqual([100, "resolved-failed"]);
  });

  test("is checked by building the resolved one again", async () => {
    const { world, app } = chain("floating");
    await world.run([app], on);
    expect(statuses(await world.run([app], { ...on, mode: "check" }))).toEqual(["built"]);
    expect(world.buildOrder()).toEqual(["lib", "app", "app"]);
  });

  test("of which more is wanted meanwhile begins again", async () => {
    const world = new World();
    const lib = world.add({ name: "lib", kind: "floating" });
    const tool = world.add({
      name: "tool",
      kind: "floating",
      outputs: ["out", "dev"],
      inputs: [lib],
      env: { lib: upstreamPlaceholder(lib, out) },
    });
    const slow = world.add({ name: "a-slow" });
    const user = world.add({ name: "user", kind: "floating", inputs: [[tool, "dev"], slow] });
    const running = world.run([{ drvPath: tool, outputs: names("out") }, user], { ...on, maxJobs: 4 });
    (await world.ports.sandbox.nextBuild()).succeed();
    (await world.ports.sandbox.nextBuild()).succeed();
    for (;;) {
      const build = await world.ports.sandbox.nextBuild();
      build.succeed();
      if (build.spec.drvPath.endsWith("-user.drv")) break;
    }
    const outcome = await running;
    expect(
      statuses(outcome).every((status) => status === "built" || status === "resolvesToAlreadyValid"),
    ).toBe(true);
    expect(Object.keys(outputsOf(outcome.results[0]))).toEqual(["out"]);
  });

  test("a fixed one with the feature on is resolved as well", async () => {
    const world = new World();
    const lib = world.add({ name: "lib" });
    const hash = hashModuloSelf("sha256", archiveOf("fixed\n"), "0".repeat(32)).hash;
    const fixed = world.add({ name: "fixed", fixed: { method: "nar", hash }, inputs: [lib] });
    conduct(world, {});
    const outcome = await world.run([fixed], on);
    expect([statuses(outcome), world.events.of("derivation-resolved").length]).toEqual([["built"], 1]);
    expect((await realisationOf(world, fixed))?.outPath).toBe(world.out(fixed));
  });
});

describe("an impure derivation", () => {
  test("is built each time and is nowhere known by its derivation (H2)", async () => {
    const world = new World();
    const drvPath = world.add({ name: "now", kind: "impure" });
    let count = 0;
    conduct(world, { now: () => `${++count}` });
    const paths = [];
    for (let round = 0; round < 2; round += 1)
      paths.push(outputsOf((await world.run([drvPath], on)).results[0])["out"]);
    expect(new Set(paths).size).toBe(2);
    expect(await realisationOf(world, drvPath)).toBeUndefined();
    const [one, two] = world.ports.sandbox.builds.map(({ spec }) => spec);
    expect(one?.outputs).not.toEqual(two?.outputs);
    expect(one?.network).toBe("host");
  });

  test("may be an input of an impure or a fixed one, of no other (B1)", async () => {
    const world = new World();
    const now = world.add({ name: "now", kind: "impure" });
    const user = world.add({ name: "user", kind: "deferred", inputs: [now] });
    const also = world.add({ name: "also", kind: "impure", inputs: [now] });
    conduct(world, {});
    const { results } = await world.run([user, also], { ...on, keepGoing: true });
    expect(failureOf(results[0])).toMatchObject({
      errorCode: "ERR_GOAL_IMPURE",
      errorMessage: `pure derivation '${user}' depends on impure derivation '${now}'`,
    });
    expect(results[1]?.status).toBe("built");
  });
});

describe("with the feature on, an input-addressed derivation", () => {
  test("is known by its derivation as well, built now or before", async () => {
    const world = new World();
    const drvPath = world.add({ name: "plain" });
    conduct(world, {});
    await world.run([drvPath]);
    expect(await realisationOf(world, drvPath)).toBeUndefined();
    expect(statuses(await world.run([drvPath], on))).toEqual(["alreadyValid"]);
    expect((await realisationOf(world, drvPath))?.outPath).toBe(world.out(drvPath));
    const other = world.add({ name: "other" });
    await world.run([other], on);
    expect((await realisationOf(world, other))?.outPath).toBe(world.out(other));
  });
});

describe("an output of an output", () => {
  const all: RunHow = {
    experimentalFeatures: new Set(["ca-derivations", "dynamic-derivations"]),
  };

  /** `maker` writes a derivation; `user` is built from what that makes. */
  function made() {
    const world = new World();
    const { store } = world.ports;
    const inner = world.add({ name: "inner" });
    const innerBytes = printDerivation(store.readDerivationSync(inner));
    const hash = hashBytes("sha256", innerBytes);
    const maker = store.addDerivationSync({
      ...store.readDerivationSync(world.add({ name: "inner.drv", kind: "floating" })),
      outputs: new Map([[out, { kind: "floating", method: "text", algorithm: "sha256" }]]),
    });
    const placeholder = computedPlaceholder(upstreamPlaceholder(maker, out), out);
    const node = { outputs: new Set([out]), dynamicOutputs: new Map() };
    const user = store.addDerivationSync({
      ...store.readDerivationSync(world.add({ name: "user", kind: "deferred", env: { inner: placeholder } })),
      inputDrvs: new Map([[maker, new Set<OutputName>()]]),
      dynamicInputs: new Map([[maker, new Map([[out, node]])]]),
    });
    conduct(world, {
      "inner.drv": () => ({ type: "regular", content: innerBytes }),
      user: (build) => `from ${envOf(build, "inner")}`,
    });
    store.forget(inner);
    return { world, inner, user, hash };
  }

  test("is built once the derivation is there that makes it, and is an input like others", async () => {
    const { world, inner, user } = made();
    const outcome = await world.run([user], all);
    expect(statuses(outcome)).toEqual(["built"]);
    expect(world.buildOrder()).toEqual(["inner.drv", "inner", "user"]);
    const path = outputsOf(outcome.results[0])["out"] as StorePath;
    const node = world.ports.trees.get(world.ports.store.realPathOf(path));
    expect(node).toMatchObject({ content: bytesOf(`from ${world.out(inner)}`) });
    expect(statuses(await world.run([user], all))[0]).not.toBe("built");
  });

  test("needs its feature", async () => {
    const { world, user } = made();
    const { results } = await world.run([user], on);
    expect(failureOf(results[0]).errorMessage).toBe(
      "experimental Nix feature 'dynamic-derivations' is disabled; use '--extra-experimental-features dynamic-derivations' to override",
    );
  });

  test("is repaired with what is built from it", async () => {
    const { world, inner, user } = made();
    const outcome = await world.run([user], all);
    const { store, trees } = world.ports;
    for (const path of [world.out(inner), ...Object.values(outputsOf(outcome.results[0]))])
      trees.put(store.realPathOf(path), "damaged");
    await world.run([user], { ...all, mode: "repair" });
    expect(trees.get(store.realPathOf(world.out(inner)))).not.toMatchObject({ content: bytesOf("damaged") });
  });

  test("that fails to build is a failed dependency", async () => {
    const { world, user } = made();
    const { conduct: before } = world.ports.sandbox;
    world.ports.sandbox.conduct = (build) =>
      build.spec.drvPath.endsWith("-inner.drv") && !build.spec.outputs.some((path) => path.endsWith(".drv"))
        ? build.exit(1)
        : before?.(build);
    const { results } = await world.run([user], all);
    expect(failureOf(results[0])).toMatchObject({
      status: "dependencyFailed",
      errorMessage: `1 dependencies of derivation '${user}' failed to build`,
    });
  });
});
