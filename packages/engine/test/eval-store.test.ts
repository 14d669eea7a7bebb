import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { derivation, makeOutputName, printDerivation } from "@drvkit/drv-parser";
import { removeTree } from "@drvkit/sandbox-native";
import { openStore } from "@drvkit/store-lmdb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type EngineOptions, openEngine, readDerivation } from "../src/index.js";

const hello = derivation({ name: "hello", system: "none-at-all", builder: "/none" });

describe("an engine with an evaluation store", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "drvkit-eval-store-"));
  });
  afterEach(() => removeTree(folder)); // objects are read-only directories

  const at = (name: string) => join(folder, name);
  const open = (more: Partial<EngineOptions> = {}) =>
    openEngine({ store: at("here"), evalStore: at("there"), env: { HOME: folder }, ...more });

  test("writes there whatever comes before a build", async () => {
    writeFileSync(at("greeting"), "hello");
    const file = at(hello.drvPath.replace(/^.*\//u, ""));
    writeFileSync(file, printDerivation(hello.derivation));
    const other = derivation({ name: "other", system: "none-at-all", builder: "/none" });
    await using engine = await open();
    const { path } = await engine.source(at("greeting"));
    const instantiated = await engine.instantiate(other);
    expect(await engine.resolve(file)).toMatchObject({ drvPath: hello.drvPath });
    const outputs = new Set([makeOutputName("out")]);
    expect(await engine.resolve(other.output("out"))).toEqual({
      type: "built",
      drvPath: instantiated,
      outputs,
    });
    const written = [path, hello.drvPath, instantiated];
    expect(await engine.evalStore.queryValidPaths(written)).toEqual(new Set(written));
    expect(await engine.store.queryAllValidPaths()).toEqual(new Set());
  });

  test("finds derivations in either, links have their place before anything is built", async () => {
    await using engine = await open();
    const other = derivation({ name: "other", system: "none-at-all", builder: "/none" });
    const here = await engine.store.addDerivation(other.derivation);
    const there = await engine.instantiate(hello);
    expect((await readDerivation(engine, here)).name).toBe("other");
    expect((await readDerivation(engine, there)).name).toBe("hello");
    expect(await engine.queryMissing([here, there])).toMatchObject({ unknown: [] });
    mkdirSync(at("result"));
    const { result } = engine.build([there], { root: at("result") });
    await expect(result).rejects.toMatchObject({ code: "ERR_OUT_LINK" });
    for (const target of [here, there]) {
      const { results } = await engine.build([target]).result;
      expect(results).toMatchObject([{ errorCode: "ERR_BUILD_REJECTED" }]);
    }
  });

  test("has one store when both are one, by whatever name", async () => {
    await (await open()).close();
    symlinkSync(at("here"), at("link"));
    await using engine = await open({ evalStore: at("link") });
    expect(engine.evalStore).toBe(engine.store);
    await engine.instantiate(hello);
  });

  test("without one has one store", async () => {
    await using engine = await openEngine({ store: at("here"), env: { HOME: folder } });
    expect(engine.evalStore).toBe(engine.store);
  });

  test("closes both, and the store when the other cannot be opened", async () => {
    const engine = await open();
    const { store, evalStore } = engine;
    await engine.close();
    for (const each of [store, evalStore])
      await expect(each.queryAllValidPaths()).rejects.toMatchObject({ code: "ERR_STORE_CLOSED" });
    await expect(open({ store: at("elsewhere"), storeDir: "/elsewhere/store" })).rejects.toMatchObject({
      code: "ERR_STORE_DIR_MISMATCH",
      hint: expect.any(String),
    });
    await (await openStore({ root: at("elsewhere"), storeDir: "/elsewhere/store" as never })).close();
  });

  test("reads both when it is opened for reading", async () => {
    const writing = await open();
    await writing.instantiate(hello);
    await writing.close();
    await using engine = await open({ readOnly: true });
    expect(engine.evalStore.readOnly).toBe(true);
    expect(await engine.queryMissing([hello.drvPath])).toMatchObject({ willBuild: [hello.drvPath] });
  });

  test("reads the one of the machine and never writes to it", async () => {
    await using engine = await open({ evalStore: "/" }).catch((error: unknown) => {
      // Where Nix is installed.
      expect(error).toMatchObject({ code: "ERR_STORE_FOREIGN" });
      return open();
    });
    if (engine.evalStore.root === "/") expect(engine.evalStore.readOnly).toBe(true);
  });
});
