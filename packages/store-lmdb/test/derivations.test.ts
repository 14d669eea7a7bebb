import {
  bytesOf,
  computeDerivationPath,
  computeOutputPaths,
  type Derivation,
  defaultStoreDir,
  Environment,
  makeOutputName,
  type OutputName,
  printDerivation,
  type StorePath,
} from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { type LmdbStore, openStore } from "../src/index.js";
import { pathOf } from "./support/objects.js";
import { tempRoot } from "./support/process.js";

const out = makeOutputName("out");

/** An input-addressed derivation with its output path filled in. */
function derivation(name: string, inputs: ReadonlyMap<StorePath, Derivation> = new Map()): Derivation {
  const env: [Uint8Array, Uint8Array][] = [[bytesOf("name"), bytesOf(name)]];
  const unfinished: Derivation = {
    name,
    outputs: new Map([[out, { kind: "deferred" }]]),
    inputDrvs: new Map([...inputs.keys()].map((path) => [path, new Set([out])])),
    inputSrcs: new Set(),
    platform: "x86_64-linux",
    builder: bytesOf("/bin/sh"),
    args: [],
    env: Environment.from([...env, [bytesOf("out"), bytesOf("")]]),
  };
  const read = (path: StorePath) => {
    const drv = inputs.get(path);
    if (drv === undefined) throw new Error(`no derivation '${path}'`);
    return drv;
  };
  const path = computeOutputPaths(unfinished, read).get(out);
  if (path === undefined) throw new Error("no output path");
  return {
    ...unfinished,
    outputs: new Map([[out, { kind: "inputAddressed", path }]]),
    env: Environment.from([...env, [bytesOf("out"), bytesOf(path)]]),
  };
}

function add(store: LmdbStore, drv: Derivation) {
  return store.addText(`${drv.name}.drv`, printDerivation(drv), drv.inputDrvs.keys());
}

function outputOf(drv: Derivation): StorePath {
  const output = drv.outputs.get(out);
  if (output?.kind !== "inputAddressed") throw new Error("not input-addressed");
  return output.path;
}

describe("derivations", () => {
  const lower = derivation("lower");
  const lowerPath = computeDerivationPath(defaultStoreDir, lower);
  const upper = derivation("upper", new Map([[lowerPath, lower]]));
  const upperPath = computeDerivationPath(defaultStoreDir, upper);

  test("become valid with their outputs known both ways", async () => {
    await using store = await openStore({ root: tempRoot() });
    expect((await add(store, lower)).path).toBe(lowerPath);
    expect((await add(store, upper)).path).toBe(upperPath);
    expect(await store.queryDerivationOutputs(upperPath)).toEqual(
      new Map<OutputName, StorePath>([[out, outputOf(upper)]]),
    );
    expect(await store.queryDerivers(outputOf(upper))).toEqual([upperPath]);
    expect(await store.queryDerivers(outputOf(lower))).toEqual([lowerPath]);
    expect(await store.readDerivation(upperPath)).toEqual(upper);
  });

  test("are refused when an input is not valid", async () => {
    await using store = await openStore({ root: tempRoot() });
    await expect(add(store, upper)).rejects.toEqual(
      expect.objectContaining({ code: "ERR_STORE_NOT_VALID", path: lowerPath }),
    );
    expect(await store.queryAllValidPaths()).toEqual(new Set());
  });

  test("are refused when they state another output path than theirs, and leave nothing", async () => {
    await using store = await openStore({ root: tempRoot() });
    const path = pathOf("lower");
    const wrong: Derivation = {
      ...lower,
      outputs: new Map([[out, { kind: "inputAddressed", path }]]),
      env: lower.env.with("out", bytesOf(path)),
    };
    await expect(add(store, wrong)).rejects.toEqual(
      expect.objectContaining({
        code: expect.stringMatching(/^ERR_DRV_/),
        message: expect.stringContaining(path),
      }),
    );
    expect(await store.queryAllValidPaths()).toEqual(new Set());
    expect(await store.queryDerivers(path)).toEqual([]);
  });

  test("are refused when they cannot be parsed", async () => {
    await using store = await openStore({ root: tempRoot() });
    await expect(store.addText("bad.drv", Buffer.from("Derive("))).rejects.toEqual(
      expect.objectContaining({ code: "ERR_DRV_SYNTAX" }),
    );
  });

  test("lead a closure to their outputs and back to themselves", async () => {
    await using store = await openStore({ root: tempRoot() });
    await add(store, lower);
    await add(store, upper);
    const output = outputOf(upper);
    await store.registerValidPaths([
      {
        path: output,
        narHash: { algorithm: "sha256", digest: new Uint8Array(32) },
        narSizeBytes: 1,
        references: new Set(),
        deriver: upperPath,
        registrationTimeSeconds: 1,
        ultimate: true,
        signatures: [],
      },
    ]);
    const sorted = (...paths: StorePath[]) => paths.sort();
    expect(await store.queryClosure([upperPath])).toEqual(sorted(lowerPath, upperPath));
    expect(await store.queryClosure([upperPath], { includeOutputs: true })).toEqual(
      sorted(lowerPath, upperPath, output),
    );
    expect(await store.queryClosure([output])).toEqual([output]);
    expect(await store.queryClosure([output], { includeDerivers: true })).toEqual(
      sorted(lowerPath, upperPath, output),
    );
    expect(await store.queryClosure([output], { direction: "referrers", includeOutputs: true })).toEqual(
      sorted(upperPath, output),
    );
    expect(await store.queryClosure([lowerPath], { direction: "referrers", includeDerivers: true })).toEqual(
      sorted(lowerPath, upperPath, output),
    );
  });
});
