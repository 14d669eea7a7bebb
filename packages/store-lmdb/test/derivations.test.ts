import { unlink } from "node:fs/promises";
import { join } from "node:path";
import {
  baseNameOf,
  bytesOf,
  computeDerivationPath,
  computeOutputPaths,
  type Derivation,
  defaultStoreDir,
  Environment,
  makeOutputName,
  type OutputName,
  outlineOf,
  printDerivation,
  type StorePath,
} from "@drvkit/drv-parser";
import type { Database } from "lmdb";
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

function pathTo(drv: Derivation): StorePath {
  return computeDerivationPath(defaultStoreDir, drv);
}

/** Changes tables of a store that nobody has open. */
async function changeDatabase(
  root: string,
  change: (open: (table: string) => Database<Buffer, Buffer>) => unknown,
): Promise<void> {
  const { open } = await import("lmdb");
  const options = { encoding: "binary", keyEncoding: "binary" } as const;
  const path = join(root, "nix/var/nix/drvkit/db");
  const lmdb = open<Buffer, Buffer>({ ...options, path, noSubdir: false, overlappingSync: false });
  change((name) => lmdb.openDB<Buffer, Buffer>({ ...options, name }));
  await lmdb.close();
}

function outputOf(drv: Derivation): StorePath {
  const output = drv.outputs.get(out);
  if (output?.kind !== "inputAddressed") throw new Error("not input-addressed");
  return output.path;
}

describe("derivations", () => {
  const lower = derivation("lower");
  const lowerPath = pathTo(lower);
  const upper = derivation("upper", new Map([[lowerPath, lower]]));
  const upperPath = pathTo(upper);

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

  test("are outlined without their files, and from these where an older version registered them", async () => {
    const root = tempRoot();
    const outlines = new Map([lower, upper].map((drv) => [pathTo(drv), outlineOf(pathTo(drv), drv)]));
    await using store = await openStore({ root });
    await add(store, lower);
    await add(store, upper);
    await unlink(store.realPathOf(upperPath));
    expect(await store.queryDerivationOutlines([upperPath, lowerPath, pathOf("no.drv")])).toEqual(outlines);
    await store.close();

    await changeDatabase(root, (open) => open("outlines").removeSync(Buffer.from(baseNameOf(lowerPath))));
    await using later = await openStore({ root });
    expect(await later.queryDerivationOutlines([lowerPath, upperPath])).toEqual(outlines);
    const paths = new Map([[out, outputOf(lower)]]);
    expect(await later.queryKnownOutputs([lowerPath])).toEqual(
      new Map([[lowerPath, { paths, valid: new Set() }]]),
    );
  });

  test("are outlined from their files in a store of an older version that is only read", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    await add(store, lower);
    await store.close();
    await changeDatabase(root, (open) => open("outlines").dropSync());
    await using later = await openStore({ root, readOnly: true });
    const outlines = await later.queryDerivationOutlines([lowerPath]);
    expect(outlines.get(lowerPath)).toEqual(outlineOf(lowerPath, lower));
    expect(await later.queryDerivationOutputs(lowerPath)).toEqual(new Map([[out, outputOf(lower)]]));
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
