import { type BasicDerivation, bytesOf } from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { describe, expect, test } from "vitest";
import { buildDerivation, defaultWorkerSettings } from "../../../src/index.js";
import { archiveOf, FakeSubstituter, type MemoryStore, pathInfoOf } from "../../../src/testing/index.js";
import { copied, damage, evalWorld, registered } from "../../support/eval-world.js";
import { because, failureOf, settled, statuses } from "../../support/world.js";

describe("the sources of a build", () => {
  test("are copied with what they refer to, references first, what the store has not (B3)", async () => {
    const { world, store, evalStore, source, middle, leaf } = evalWorld();
    const known = evalStore.addText("known", "known");
    store.addText("known", "known");
    const first = world.add({ name: "first", sources: [source, known] });
    const second = world.add({ name: "second", sources: [source, middle] });
    const outcome = await world.realise([first, second], { substitute: false, maxJobs: 2 });
    expect(statuses(outcome)).toEqual(["built", "built"]);
    expect(copied(world)).toEqual([leaf, middle, source]);
    const goals = new Set(world.events.of("substitution-created").map(({ path }) => path));
    expect(goals).toEqual(new Set([leaf, middle, source]));
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
    const { world, store, evalStore, source } = evalWorld(cache);
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
    const { world, store, evalStore, source } = evalWorld();
    const drvPath = world.add({ name: "given", sources: [source] });
    const drv = evalStore.readDerivationSync(drvPath) as BasicDerivation;
    evalStore.forget(drvPath);
    world.ports.sandbox.conduct = (build) => build.succeed();
    const { ports } = world;
    const result = await buildDerivation(drvPath, drv, { ports, settings: defaultWorkerSettings });
    expect(result.status).toBe("built");
    expect(await store.queryValidPaths([source])).toEqual(new Set([source]));
  });

  test("are copied though somebody waits for an answer of a substituter about them (B3)", async () => {
    const cache = new FakeSubstituter();
    const { world, source } = evalWorld(cache);
    let answer: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      answer = resolve;
    });
    cache.queryPathInfo = () => asked.then(() => undefined);
    const top = world.add({ name: "top", sources: [source], env: { allowSubstitutes: "" } });
    const running = world.realise([{ path: source }, top], { keepGoing: true });
    await world.events.next("goal-done");
    answer();
    expect(statuses(await running)).toEqual(["noSubstituters", "built"]);
  });

  type Trouble = (of: ReturnType<typeof evalWorld>) => void;
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
      const of = evalWorld();
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
    const { world, evalStore } = evalWorld();
    const made = world.out(world.add({ name: "made" }));
    evalStore.trees.put(evalStore.realPathOf(made), "made");
    await evalStore.registerValidPaths([{ ...pathInfoOf(made, archiveOf("made")), ultimate: true }]);
    const top = world.add({ name: "top", sources: [made] });
    expect(statuses(await world.realise([top]))).toEqual(["miscFailure"]);
    expect(statuses(await world.realise([top], { requireSignatures: false }))).toEqual(["built"]);
    expect(await world.ports.store.queryPathInfo(made)).toMatchObject({ ultimate: false });
  });

  test("stop coming when the run is cancelled, and nothing is left (B3)", async () => {
    const { world, store, evalStore, source } = evalWorld();
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
