import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  baseNameOf,
  bytesOf,
  computeContentAddressedPath,
  computeDerivationPath,
  computeOutputPaths,
  type Derivation,
  defaultStoreDir,
  Environment,
  makeOutputName,
  printDerivation,
  type StorePath,
} from "@drvkit/drv-parser";
import { hashTree, removeTree } from "@drvkit/sandbox-native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Engine, openEngine } from "../src/index.js";

let folder = "";
let engine: Engine;
const drvs = () => join(folder, "drvs");
const fileOf = (path: StorePath) => join(drvs(), baseNameOf(path));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "drvkit-engine-"));
  mkdirSync(drvs());
  engine = await openEngine({ store: join(folder, "store"), env: {} });
});

afterEach(async () => {
  await engine.close();
  await removeTree(folder);
  rmSync(folder, { recursive: true, force: true });
});

/** A source file in the folder, under the name its content gives. */
async function source(name: string, text: string): Promise<StorePath> {
  const plain = join(folder, name);
  writeFileSync(plain, text);
  const { digest } = await hashTree(plain);
  const path = computeContentAddressedPath(defaultStoreDir, name, {
    method: "nar",
    hash: { algorithm: "sha256", digest },
  });
  writeFileSync(fileOf(path), text);
  return path;
}

function write(
  name: string,
  sources: readonly StorePath[],
  known: ReadonlyMap<StorePath, Derivation> = new Map(),
  inputs: Iterable<StorePath> = known.keys(),
): Derivation & { readonly drvPath: StorePath } {
  const out = makeOutputName("out");
  const unfinished: Derivation = {
    name,
    outputs: new Map([[out, { kind: "deferred" }]]),
    inputDrvs: new Map([...inputs].map((path) => [path, new Set([out])])),
    inputSrcs: new Set(sources),
    platform: "x86_64-linux",
    builder: bytesOf("/bin/sh"),
    args: [],
    env: Environment.from([[bytesOf("out"), bytesOf("")]]),
  };
  const path = computeOutputPaths(unfinished, (drv) => known.get(drv) as Derivation).get(out) as StorePath;
  const drv: Derivation = {
    ...unfinished,
    outputs: new Map([[out, { kind: "inputAddressed", path }]]),
    env: unfinished.env.with("out", bytesOf(path)),
  };
  const drvPath = computeDerivationPath(defaultStoreDir, drv);
  writeFileSync(fileOf(drvPath), printDerivation(drv));
  return { ...drv, drvPath };
}

describe("importDerivation", () => {
  test("brings sources and input derivations, each once", async () => {
    const text = await source("text.txt", "hello\n");
    const low = write("low", [text]);
    const top = write("top", [text], new Map([[low.drvPath, low]]));
    expect(await engine.importDerivation(fileOf(top.drvPath))).toBe(top.drvPath);
    expect(await engine.store.queryClosure([top.drvPath])).toEqual([text, low.drvPath, top.drvPath].sort());
    expect(readFileSync(engine.store.realPathOf(text), "utf8")).toBe("hello\n");
  });

  test("takes what is valid already from the store, not from the folder", async () => {
    const text = await source("text.txt", "hello\n");
    const low = write("low", [text]);
    await engine.importDerivation(fileOf(low.drvPath));
    rmSync(fileOf(text));
    const top = write("top", [], new Map([[low.drvPath, low]]));
    rmSync(fileOf(low.drvPath));
    expect(await engine.importDerivation(fileOf(top.drvPath))).toBe(top.drvPath);
  });

  test("refuses a changed source and registers nothing that refers to it", async () => {
    const text = await source("text.txt", "hello\n");
    const drv = write("one", [text]);
    writeFileSync(fileOf(text), "other\n");
    await expect(engine.importDerivation(fileOf(drv.drvPath))).rejects.toMatchObject({
      code: "ERR_IMPORT_MISMATCH",
    });
    expect(await engine.store.queryValidPaths([text, drv.drvPath])).toEqual(new Set());
  });

  test("refuses a pipe with the name of a derivation instead of waiting for it", async () => {
    const pipe = join(drvs(), `${"0".repeat(32)}-pipe.drv`);
    expect(spawnSync("mkfifo", [pipe]).status).toBe(0);
    await expect(engine.importDerivation(pipe)).rejects.toMatchObject({
      code: "ERR_TARGET",
      message: `'${pipe}' is not a regular file`,
    });
  });

  test("a build that is cancelled while its targets are read ends at once and registers nothing more", async () => {
    const { drvPath } = write("cancelled", [await source("input", "text")]);
    const reason = new Error("enough");
    const build = engine.build([fileOf(drvPath)], { signal: AbortSignal.abort(reason) });
    await expect(build.result).rejects.toBe(reason);
    expect((await engine.store.queryValidPaths([drvPath])).size).toBe(0);
    const cancel = new AbortController();
    const late = engine.build([fileOf(drvPath)], { signal: cancel.signal });
    cancel.abort(reason);
    await expect(late.result).rejects.toBe(reason);
    expect((await engine.store.queryValidPaths([drvPath])).size).toBe(0);
  });

  test("names the file that is missing", async () => {
    const text = await source("text.txt", "hello\n");
    const drv = write("one", [text]);
    rmSync(fileOf(text));
    await expect(engine.importDerivation(fileOf(drv.drvPath))).rejects.toMatchObject({
      code: "ERR_IMPORT_MISSING",
      message: expect.stringContaining(baseNameOf(text)),
    });
  });

  test("goes through chains from the bottom up", async () => {
    const known = new Map<StorePath, Derivation>();
    let top = write("link-0", []);
    for (let index = 1; index < 60; index += 1) {
      known.set(top.drvPath, top);
      top = write(`link-${index}`, [], known, [top.drvPath]);
    }
    await engine.importDerivation(fileOf(top.drvPath));
    expect((await engine.store.queryValidPaths([...known.keys(), top.drvPath])).size).toBe(60);
  });
});

describe("targets", () => {
  test("a bare derivation means all of its outputs, ^ selects", async () => {
    const drv = write("one", []);
    await engine.importDerivation(fileOf(drv.drvPath));
    expect(await engine.resolve(drv.drvPath)).toEqual({
      type: "built",
      drvPath: drv.drvPath,
      outputs: "all",
    });
    expect(await engine.resolve(`${fileOf(drv.drvPath)}^out`)).toEqual({
      type: "built",
      drvPath: drv.drvPath,
      outputs: new Set(["out"]),
    });
  });

  test("a path with an exclamation mark in a folder's name is still a path", async () => {
    const drv = write("one", []);
    const odd = join(folder, "odd!name");
    mkdirSync(odd);
    const file = join(odd, baseNameOf(drv.drvPath));
    writeFileSync(file, readFileSync(fileOf(drv.drvPath)));
    expect(await engine.resolve(file)).toMatchObject({ drvPath: drv.drvPath });
  });

  test.each(["README.md", "/nix/store/short", "relative/x.drv"])("refuses '%s'", async (text) => {
    await expect(engine.resolve(text)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/u) });
  });
});

describe("a closed engine", () => {
  test("builds no more", async () => {
    await engine.close();
    expect(() => engine.build(["x.drv"])).toThrow(expect.objectContaining({ code: "ERR_ENGINE_CLOSED" }));
  });

  test("a wrong target rejects the result and ends the events", async () => {
    const build = engine.build(["nowhere.txt"]);
    const events = [];
    for await (const event of build) events.push(event);
    expect(events).toEqual([]);
    await expect(build.result).rejects.toMatchObject({ code: "ERR_TARGET" });
  });
});
