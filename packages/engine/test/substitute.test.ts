import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BasicDerivation,
  defaultStoreDir,
  derivation,
  parseStorePath,
  type StorePath,
} from "@drvkit/drv-parser";
import type { Event } from "@drvkit/goal";
import { FakeSubstituter, type FakeTree } from "@drvkit/goal/testing";
import { generateSecretKey, printKey, publicKeyOf, type SecretKey, signPathInfo } from "@drvkit/narinfo";
import { removeTree } from "@drvkit/sandbox-native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Engine, openEngine } from "../src/index.js";

/** Nobody can build it: what comes out of it was obtained elsewhere. */
const hello = derivation({ name: "hello", system: "none-at-all", builder: "/none" });
const [out = never()] = [...hello.derivation.outputs.values()].map((output) =>
  output.kind === "inputAddressed" ? output.path : never(),
);

describe("an engine with substituters", () => {
  let folder: string;
  let key: SecretKey;
  let cache: FakeSubstituter;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "drvkit-substitute-"));
    key = await generateSecretKey("cache-1");
    cache = new FakeSubstituter({ trusted: false });
  });
  afterEach(() => removeTree(folder)); // objects are read-only directories

  const offer = async (path: StorePath, tree: FakeTree, references: readonly StorePath[] = []) => {
    const info = cache.offer(path, tree, { references: new Set(references) });
    cache.offer(path, tree, await signPathInfo(info, key));
  };
  const open = async (settings: Readonly<Record<string, string>> = {}) =>
    openEngine({
      store: join(folder, "store"),
      env: { HOME: folder },
      settings: { "trusted-public-keys": printKey(await publicKeyOf(key)), ...settings },
      substituters: [cache],
    });
  const build = async (engine: Engine) => {
    const events: Event[] = [];
    const run = engine.build([hello], { root: join(folder, "result") });
    for await (const event of run) events.push(event);
    return { events, ...(await run.result) };
  };

  test("takes what a trusted key signed, references first, and roots it", async () => {
    const lib = parseStorePath(defaultStoreDir, `/nix/store/${"1".repeat(32)}-lib`);
    await offer(lib, "a library");
    await offer(out, { type: "directory", entries: { "hello.txt": `see ${lib}` } }, [lib]);
    await using engine = await open();
    const { results, exitStatus, events } = await build(engine);
    expect(results).toMatchObject([{ status: "substituted" }]);
    expect(exitStatus).toBe(0);
    expect(cache.taken).toEqual([lib, out]);
    expect(readFileSync(join(engine.store.realPathOf(out), "hello.txt"), "utf8")).toBe(`see ${lib}`);
    expect(readlinkSync(join(folder, "result"))).toBe(engine.store.realPathOf(out));
    expect(await engine.store.queryPathInfo(out)).toMatchObject({
      ultimate: false,
      signatures: [expect.stringMatching(/^cache-1:/u)],
    });
    expect(events.filter(({ type }) => type === "build-started")).toEqual([]);
  });

  test("makes a single path valid, and says when nobody has it", async () => {
    await offer(out, "hello");
    await using engine = await open();
    await engine.ensurePath(out);
    expect(readFileSync(engine.store.realPathOf(out), "utf8")).toBe("hello");
    const absent = parseStorePath(defaultStoreDir, `/nix/store/${"0".repeat(32)}-absent`);
    await expect(engine.ensurePath(absent)).rejects.toMatchObject({ code: "ERR_GOAL_PATH" });
  });

  test("takes nothing that no trusted key signed", async () => {
    await offer(out, "hello");
    await using engine = await open({ "trusted-public-keys": "" });
    const { results, events } = await build(engine);
    expect(results).toMatchObject([{ status: expect.not.stringMatching(/^substituted$/u) }]);
    expect(cache.taken).toEqual([]);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "message",
        level: "warn",
        text: expect.stringContaining("not signed"),
      }),
    );
  });

  test.each([
    ["lies", "transientFailure", 1],
    ["broken", "transientFailure", 1],
    ["gone", "inputRejected", 100], // counts as not offered, so it is built, for which there is no machine
  ] as const)("keeps nothing of one that %s: %s", async (behaviour, status, expected) => {
    await offer(out, "hello");
    cache.behaviour = behaviour;
    await using engine = await open();
    const { results, exitStatus } = await build(engine);
    expect(results).toMatchObject([{ status, errorMessage: expect.any(String) }]);
    expect(exitStatus).toBe(expected);
    expect(await engine.store.queryValidPaths([out])).toEqual(new Set());
    const left = readdirSync(engine.store.realStoreDir).filter((name) => name.endsWith("-hello"));
    expect(left).toEqual([]);
  });

  test("asks nobody when `substitute` is off", async () => {
    await offer(out, "hello");
    await using engine = await open({ substitute: "false" });
    await build(engine);
    expect(cache.asked).toEqual([]);
  });

  test("a key that cannot be read stops the build with its code", async () => {
    await using engine = await open({ "trusted-public-keys": "cache-1:?" });
    await expect(engine.build([hello]).result).rejects.toMatchObject({ code: "ERR_KEY" });
  });

  test("takes the outputs of a derivation that is handed over and in no store", async () => {
    await offer(out, "hello");
    await using engine = await open();
    const given = hello.derivation as BasicDerivation; // it has no inputs
    const events: string[] = [];
    const result = await engine.buildDerivation(hello.drvPath, given, {
      onEvent: ({ type }) => events.push(type),
    });
    expect(result).toMatchObject({ status: "substituted" });
    expect(events).toContain("substitution-finished");
    expect((await engine.store.queryValidPaths([hello.drvPath, out])).has(hello.drvPath)).toBe(false);
  });

  test("puts what was damaged right again", async () => {
    await offer(out, "hello");
    await using engine = await open();
    await engine.ensurePath(out);
    expect(await engine.isPathGood(out)).toBe(true);
    const real = engine.store.realPathOf(out);
    rmSync(real);
    writeFileSync(real, "damaged");
    expect(await engine.isPathGood(out)).toBe(false);
    await engine.repairPath(out);
    expect([readFileSync(real, "utf8"), await engine.isPathGood(out)]).toEqual(["hello", true]);
  });
});

function never(): never {
  throw new Error("the output has a path");
}
