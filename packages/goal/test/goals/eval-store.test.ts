import {
  type BasicDerivation,
  bytesOf,
  type Derivation,
  isDerivationPath,
  makeOutputName,
  type StorePath,
  upstreamPlaceholder,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { describe, expect, test } from "vitest";
import { buildDerivation, defaultWorkerSettings, queryMissing, repairPath } from "../../src/index.js";
import { archiveOf, FakeSubstituter, MemoryStore, memoryPorts, pathInfoOf } from "../../src/testing/index.js";
import { failureOf, outputsOf, settled, statuses, World } from "../support/world.js";

/** A store for building and one for derivations, which has a source that refers to two others. */
function worldWith(...substituters: readonly FakeSubstituter[]) {
  const evalStore = new MemoryStore();
  const ports = { ...memoryPorts(), evalStore, substituters };
  const world = new World(ports);
  const leaf = evalStore.addText("leaf", "leaf");
  const middle = evalStore.addText("middle", `see ${leaf}`, [leaf]);
  const source = evalStore.addText("source", `see ${middle} and ${leaf}`, [middle, leaf]);
  return { world, store: ports.store, evalStore, leaf, middle, source };
}

const damage = (store: MemoryStore, path: StorePath) => store.trees.put(store.realPathOf(path), "damaged");

/** Everything that was put into a store since it is there. */
const registered = (store: MemoryStore) => store.registrations.flat();

const because = (world: World, drvPath: StorePath) =>
  world.events.of("goal-stage").flatMap(({ goal, because }) => (goal.endsWith(drvPath) ? [because] : []));

/** What was copied, in the order in which it was begun. */
const copied = (world: World) => world.events.of("substitution-started").map(({ path }) => path);

describe("a derivation of the evaluation store", () => {
  test("is read there, and what it makes is put into the store (G1, L2, I6)", async () => {
    const { world, store, evalStore, source, middle, leaf } = worldWith();
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
    const { world, store, source } = worldWith();
    const top = world.add({ name: "top", sources: [source] });
    await world.realise([top]);
    store.forget(source);
    const before = copied(world).length;
    expect(statuses(await world.realise([top]))).toEqual(["alreadyValid"]);
    expect(copied(world).length).toBe(before);
  });

  test("whose outputs only the evaluation store has is built all the same (H3)", async () => {
    const { world, evalStore } = worldWith();
    const top = world.add({ name: "top" });
    evalStore.trees.put(evalStore.realPathOf(world.out(top)), "top");
    await evalStore.registerValidPaths([pathInfoOf(world.out(top), archiveOf("top"))]);
    expect(statuses(await world.realise([top]))).toEqual(["built"]);
  });

  test("is looked for there first, then in the store, then with the substituters (G1, G2, L2)", async () => {
    const cache = new FakeSubstituter();
    const { world, store, evalStore } = worldWith(cache);
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
    const { world, evalStore } = worldWith();
    const top = world.add({ name: "top" });
    evalStore.forget(top);
    const { results } = await world.realise([top]);
    expect(failureOf(results[0]).errorCode).toBe("ERR_GOAL_MISSING_DERIVATION");
  });

  test("that asks an input for an output that it has not fails (I5)", async () => {
    const { world, evalStore } = worldWith();
    const input = world.add({ name: "input" });
    const plain = evalStore.readDerivationSync(world.add({ name: "top", inputs: [input] }));
    const inputDrvs = new Map([[input, new Set([makeOutputName("doc")])]]);
    const top = evalStore.addDerivationSync({ ...plain, inputDrvs });
    const { results } = await world.realise([top]);
    expect(failureOf(results[0])).toMatchObject({ status: "dependencyFailed" });
    const [failed] = world.events.of("goal-done").filter(({ goal }) => goal.endsWith(input));
    expect(failed?.result).toMatchObject({ errorCode: "ERR_GOAL_UNKNOWN_OUTPUT" });
  });

  test("is resolved into the store, where it is found (I4, R1, L2)", async () => {
    const { world, store, evalStore, source } = worldWith();
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
    const { world, evalStore } = worldWith();
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
    const { world, store } = worldWith();
    const lib = world.add({ name: "lib" });
    const app = world.add({ name: "app", inputs: [lib] });
    world.ports.sandbox.conduct = (build) => {
      for (const output of build.spec.outputs)
        build.put(output, build.spec.drvPath === app ? `uses ${world.out(lib)}` : "lib");
      build.exit(0);
    };
    await world.run([app]);
    damage(store, world.out(lib));
    expect(statuses(await world.run([app], { mode: "repair" }))).toEqual(["alreadyValid"]);
    expect(because(world, app).at(-1)).toBe("closure-repaired");
    damage(store, world.out(lib));
    await repairPath(world.out(lib), { ports: world.ports, settings: defaultWorkerSettings });
    expect(world.buildOrder()).toEqual(["lib", "app", "lib", "lib"]);
  });
});

describe("the sources of a build", () => {
  test("are copied with what they refer to, references first, what the store has not (B3)", async () => {
    const { world, store, evalStore, source, middle, leaf } = worldWith();
    const known = evalStore.addText("known", "known");
    store.addText("known", "known");
    const first = world.add({ name: "first", sources: [source, known] });
    const second = world.add({ name: "second", sources: [source, middle] });
    const outcome = await world.realise([first, second], { substitute: false, maxJobs: 2 });
    expect(statuses(outcome)).toEqual(["built", "built"]);
    expect(copied(world)).toEqual([leaf, middle, source]);
    for (const path of [leaf, middle, source]) {
      const there = await evalStore.queryPathInfo(path);
      expect(await store.queryPathInfo(path)).toEqual({ ...there, registrationTimeSeconds: 0 });
      expect(store.tempRoots).toContain(path);
    }
    expect(world.events.of("substitution-started").map(({ uri }) => uri)).toEqual(Array(3).fill("memory"));
    const { substitutions, transfers } = world.events.of("progress").at(-1) ?? {};
    expect(substitutions).toEqual({ done: 3, expected: 3, running: 0, failed: 0 });
    expect(transfers?.doneNarBytes).toBe(transfers?.expectedNarBytes);
  });

  test("come from the substituters when the evaluation store has not got them (B4, B5)", async () => {
    const cache = new FakeSubstituter();
    const { world, store, evalStore, source } = worldWith(cache);
    const other = evalStore.addText("other", "other");
    const top = world.add({ name: "top", sources: [source, other] });
    evalStore.forget(other);
    const failed = await world.realise([top], { substitute: false });
    expect(failureOf(failed.results[0])).toMatchObject({
      errorMessage: `dependency '${other}' of '${top}' does not exist, and substitution is disabled`,
    });
    cache.offer(other, "other");
    expect(statuses(await world.realise([top]))).toEqual(["built"]);
    expect(cache.taken).toEqual([other]);
    expect(await store.queryValidPaths([source, other])).toEqual(new Set([source, other]));
  });

  test("are copied for a derivation that is handed over (B3)", async () => {
    const { world, store, evalStore, source } = worldWith();
    const drvPath = world.add({ name: "given", sources: [source] });
    const drv = evalStore.readDerivationSync(drvPath) as BasicDerivation;
    evalStore.forget(drvPath);
    world.ports.sandbox.conduct = (build) => build.succeed();
    const { ports } = world;
    const result = await buildDerivation(drvPath, drv, { ports, settings: defaultWorkerSettings });
    expect(result.status).toBe("built");
    expect(await store.queryValidPaths([source])).toEqual(new Set([source]));
  });

  type Trouble = (of: ReturnType<typeof worldWith>) => void;
  const troubles: readonly (readonly [string, Trouble, { code: string; reason: RegExp }])[] = [
    [
      "is not any more what was registered",
      ({ evalStore, middle }) => damage(evalStore, middle),
      {
        code: "ERR_STORE_HASH_MISMATCH",
        reason: /^cannot copy '.*-middle' from .* 'memory': hash mismatch/u,
      },
    ],
    [
      "cannot be read",
      ({ evalStore }) => {
        evalStore.archive = async function* () {
          yield bytesOf("nix");
          throw new Error("input/output error");
        };
      },
      {
        code: "ERR_GOAL_COPY",
        reason: /^cannot copy '.*-leaf' from evaluation store 'memory': input\/output/u,
      },
    ],
    [
      "is collected meanwhile",
      ({ evalStore, middle }) => {
        const query = evalStore.queryPathInfo.bind(evalStore);
        evalStore.queryPathInfo = async (path) => (path === middle ? undefined : query(path));
      },
      { code: "ERR_STORE_NOT_VALID", reason: /^path '.*-middle' is not valid any more in evaluation store/u },
    ],
    [
      "is vouched for by nobody and not by its content",
      ({ evalStore, middle }) => {
        const query = evalStore.queryPathInfo.bind(evalStore);
        evalStore.queryPathInfo = async (path) => {
          const info = await query(path);
          if (info === undefined || path !== middle) return info;
          const { ca: _ca, ...rest } = info;
          return rest;
        };
      },
      { code: "ERR_GOAL_COPY", reason: /'.*-middle' from .*: it lacks a signature by a trusted key$/u },
    ],
  ];

  test.each(troubles)(
    "one that %s fails the build, and nothing refers to it (B3)",
    async (_, trouble, says) => {
      const of = worldWith();
      const { world, store, source, middle } = of;
      trouble(of);
      const top = world.add({ name: "top", sources: [source] });
      const above = world.add({ name: "above", inputs: [top] });
      const { results } = await world.realise([top, above], { keepGoing: true });
      const failure = failureOf(results[0]);
      expect(failure).toMatchObject({
        status: "miscFailure",
        errorCode: says.code,
        failedDependencies: [source],
      });
      expect(failure.errorMessage).toMatch(says.reason);
      expect(failure.hint).toEqual(expect.any(String));
      expect(failureOf(results[1])).toMatchObject({
        status: "dependencyFailed",
        failedDependencies: [source],
      });
      expect(because(world, top)).toEqual(["needs-build", "source-not-copied"]);
      expect(await store.queryValidPaths([source, middle])).toEqual(new Set());
      for (const path of [source, middle]) expect(store.trees.get(store.realPathOf(path))).toBeUndefined();
      expect(world.buildOrder()).toEqual([]);
    },
  );

  test("one without a content address comes when no signature is asked for (B3)", async () => {
    const { world, evalStore } = worldWith();
    const made = world.out(world.add({ name: "made" }));
    evalStore.trees.put(evalStore.realPathOf(made), "made");
    await evalStore.registerValidPaths([{ ...pathInfoOf(made, archiveOf("made")), ultimate: true }]);
    const top = world.add({ name: "top", sources: [made] });
    expect(statuses(await world.realise([top]))).toEqual(["miscFailure"]);
    expect(statuses(await world.realise([top], { requireSignatures: false }))).toEqual(["built"]);
    expect(await world.ports.store.queryPathInfo(made)).toMatchObject({ ultimate: false });
  });

  test("stop coming when the run is cancelled, and nothing is left (B3)", async () => {
    const { world, store, evalStore, source } = worldWith();
    const interrupt = new AbortController();
    const archive = evalStore.archive.bind(evalStore);
    let isHeld = false;
    evalStore.archive = async function* (info: PathInfo, options: { readonly signal: AbortSignal }) {
      isHeld = true;
      yield bytesOf("");
      await new Promise<void>((resolve) => options.signal.addEventListener("abort", () => resolve()));
      options.signal.throwIfAborted();
      yield* archive(info);
    } as MemoryStore["archive"];
    const top = world.add({ name: "top", sources: [source] });
    const running = world.realise([top], { signal: interrupt.signal });
    await settled();
    expect(isHeld).toBe(true);
    interrupt.abort();
    const { results } = await running;
    expect(failureOf(results[0])).toMatchObject({ errorCode: "ERR_BUILD_CANCELLED" });
    expect(registered(store)).toEqual([]);
    expect(store.trees.paths()).toEqual([]);
    expect(world.events.of("substitution-finished").map(({ outcome }) => outcome)).toEqual(["failed"]);
  });
});

describe("what is missing with an evaluation store", () => {
  const missing = (world: World, drvPath: StorePath, more = {}) =>
    queryMissing([{ drvPath, outputs: "all" }], {
      ports: world.ports,
      settings: { ...defaultWorkerSettings, ...more },
    });

  test("is what its derivations would make and the store has not", async () => {
    const { world, store, source } = worldWith();
    const input = world.add({ name: "input", sources: [source] });
    const top = world.add({ name: "top", inputs: [input] });
    expect((await missing(world, top)).willBuild).toEqual([input, top]);
    expect(registered(store)).toEqual([]);
    await world.realise([input]);
    expect((await missing(world, top)).willBuild).toEqual([top]);
    await world.realise([top]);
    expect(await missing(world, top)).toMatchObject({ willBuild: [], unknown: [] });
  });

  test("is looked for in both stores, by realisations too", async () => {
    const { world, store, evalStore } = worldWith();
    const experimentalFeatures = new Set(["ca-derivations"]);
    const floating = world.add({ name: "floating", kind: "floating" });
    const here = world.add({ name: "here" });
    const drv: Derivation = evalStore.readDerivationSync(here);
    store.addDerivationSync(drv);
    evalStore.forget(here);
    expect((await missing(world, here)).willBuild).toEqual([here]);
    expect((await missing(world, floating, { experimentalFeatures })).willBuild).toEqual([floating]);
    await world.realise([floating], { experimentalFeatures });
    expect((await missing(world, floating, { experimentalFeatures })).willBuild).toEqual([]);
  });
});

function fileOf(store: MemoryStore, path: StorePath): Uint8Array {
  const file = store.trees.get(store.realPathOf(path));
  if (file?.type !== "regular") throw new Error(`${path} is no file`);
  return file.content;
}
