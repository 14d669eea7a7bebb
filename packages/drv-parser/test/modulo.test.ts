import { describe, expect, test } from "vitest";
import {
  bytesOf,
  computeDerivationPath,
  computeHashModulo,
  computeOutputPaths,
  type Derivation,
  type DerivationOutput,
  defaultStoreDir,
  Environment,
  HashModuloCache,
  hashBytes,
  makeOutputName,
  printHash,
  type ReadDerivation,
  type StorePath,
} from "../src/index.js";

const out = makeOutputName("out");
const dev = makeOutputName("dev");
const fixed: DerivationOutput = {
  kind: "fixed",
  ca: { method: "flat", hash: hashBytes("sha256", bytesOf("content")) },
  path: "/nix/store/00000000000000000000000000000000-source" as StorePath,
};
const floating: DerivationOutput = { kind: "floating", method: "nar", algorithm: "sha256" };
const impure: DerivationOutput = { kind: "impure", method: "nar", algorithm: "sha256" };

interface Described {
  readonly outputs?: readonly (readonly [typeof out, DerivationOutput])[];
  readonly inputs?: readonly (readonly [StorePath, readonly (typeof out)[]])[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Derivations by path, and how often each was read. */
class Folder {
  readonly reads: StorePath[] = [];
  readonly #drvs = new Map<StorePath, Derivation>();

  add(
    name: string,
    { outputs = [[out, { kind: "deferred" }]], inputs = [], env = {} }: Described = {},
  ): StorePath {
    const drv: Derivation = {
      name,
      outputs: new Map(outputs),
      inputDrvs: new Map(inputs.map(([path, names]) => [path, new Set(names)])),
      inputSrcs: new Set(),
      platform: "x86_64-linux",
      builder: bytesOf("/bin/sh"),
      args: [],
      env: Environment.from(Object.entries(env).map(([key, value]) => [bytesOf(key), bytesOf(value)])),
    };
    const path = computeDerivationPath(defaultStoreDir, drv);
    this.#drvs.set(path, drv);
    return path;
  }

  readonly read: ReadDerivation = (path) => {
    this.reads.push(path);
    return this.get(path);
  };

  get(path: StorePath): Derivation {
    return this.#drvs.get(path) as Derivation;
  }

  hash(path: StorePath, mask = true) {
    const { hashes, deferred } = computeHashModulo(this.get(path), mask, this.read);
    return { hex: [...hashes.values()].map((hash) => printHash(hash, "base16")), deferred };
  }
}

describe("hash modulo", () => {
  test("does not change with the way to a fixed output", () => {
    const folder = new Folder();
    const one = folder.add("source", { outputs: [[out, fixed]], env: { mirror: "one" } });
    const other = folder.add("source", { outputs: [[out, fixed]], env: { mirror: "other" } });
    const users = [one, other].map((input) => folder.add("user", { inputs: [[input, [out]]] }));
    expect(new Set(users).size).toBe(2);
    const [first, second] = users.map((user) => folder.hash(user));
    expect(first).toEqual(second);
  });

  test("does not look at the inputs of a fixed output", () => {
    const folder = new Folder();
    const absent = "/nix/store/00000000000000000000000000000000-absent.drv" as StorePath;
    const path = folder.add("source", { outputs: [[out, fixed]], inputs: [[absent, [out]]] });
    expect(folder.hash(path).deferred).toBe(false);
    const user = folder.add("user", { inputs: [[path, [out]]] });
    expect(folder.hash(user).deferred).toBe(false);
    expect(folder.reads).toEqual([path]);
  });

  test("unites outputs of inputs that are the same modulo", () => {
    const folder = new Folder();
    const outputs = [
      [out, { kind: "deferred" }],
      [dev, { kind: "deferred" }],
    ] as const;
    const sources = ["one", "other"].map((mirror) =>
      folder.add("source", { outputs: [[out, fixed]], env: { mirror } }),
    ) as [StorePath, StorePath];
    const [one, other] = sources.map((source) =>
      folder.add("lib", { outputs, inputs: [[source, [out]]] }),
    ) as [StorePath, StorePath];
    const both = folder.add("user", {
      inputs: [
        [one, [out]],
        [other, [dev]],
      ],
    });
    const single = folder.add("user", { inputs: [[one, [dev, out]]] });
    expect(folder.hash(both)).toEqual(folder.hash(single));
  });

  test("masked, does not depend on its own output paths", () => {
    const folder = new Folder();
    const path = "/nix/store/11111111111111111111111111111111-x" as StorePath;
    const open = folder.add("x", { env: { out: "" } });
    const filled = folder.add("x", {
      outputs: [[out, { kind: "inputAddressed", path }]],
      env: { out: path },
    });
    expect(folder.hash(filled, true)).toEqual(folder.hash(open, true));
    expect(folder.hash(filled, false)).not.toEqual(folder.hash(open, false));
    const without = folder.add("x");
    expect(folder.hash(without, true), "a variable that is not there is not made").not.toEqual(
      folder.hash(open, true),
    );
  });

  test.each([
    { name: "a floating output", outputs: [[out, floating]] as const, deferred: true },
    { name: "an impure output", outputs: [[out, impure]] as const, deferred: true },
    { name: "a fixed output", outputs: [[out, fixed]] as const, deferred: false },
    { name: "a deferred output without unknown inputs", outputs: undefined, deferred: false },
  ])("is deferred on top of $name: $deferred", ({ outputs, deferred }) => {
    const folder = new Folder();
    const below = folder.add("below", outputs === undefined ? {} : { outputs });
    const middle = folder.add("middle", { inputs: [[below, [out]]] });
    const top = folder.add("top", { inputs: [[middle, [out]]] });
    expect(folder.hash(top).deferred).toBe(deferred);
    const paths = [...computeOutputPaths(folder.get(top), folder.read).values()];
    expect(paths.every((path) => (path === undefined) === deferred)).toBe(true);
  });

  test("a fixed output on top of a floating one ends the deferral", () => {
    const folder = new Folder();
    const below = folder.add("below", { outputs: [[out, floating]] });
    const middle = folder.add("middle", { outputs: [[out, fixed]], inputs: [[below, [out]]] });
    expect(folder.hash(folder.add("top", { inputs: [[middle, [out]]] })).deferred).toBe(false);
  });

  test("of everything impure is the same", () => {
    const folder = new Folder();
    const path = folder.add("any", { outputs: [[out, impure]] });
    expect(folder.hash(path).hex).toEqual([
      "ddffc26775f61118da8597d1f2f62c544ec92461b31b5b1075ed8689a7ee8292",
    ]);
  });

  test("refuses an output that the input does not have", () => {
    const folder = new Folder();
    const below = folder.add("below");
    const top = folder.add("top", { inputs: [[below, [dev]]] });
    expect(() => folder.hash(top)).toThrow(
      expect.objectContaining({
        code: "ERR_DRV_INPUT",
        message: `no hash for output 'dev' of derivation '${below}'`,
      }),
    );
  });

  test("refuses a derivation that depends on itself, which only a false file can", () => {
    const folder = new Folder();
    const below = folder.add("below");
    const top = folder.add("top", { inputs: [[below, [out]]] });
    const read: ReadDerivation = () => folder.get(top);
    expect(() => computeHashModulo(folder.get(top), true, read)).toThrow(
      expect.objectContaining({
        code: "ERR_DRV_INPUT",
        message: expect.stringContaining("depends on itself"),
      }),
    );
  });

  test("of a graph as deep as it likes needs no deep call stack", () => {
    const folder = new Folder();
    let top = folder.add("step");
    for (let step = 0; step < 20_000; step += 1) top = folder.add("step", { inputs: [[top, [out]]] });
    expect(folder.hash(top).hex[0]).toMatch(/^[0-9a-f]{64}$/u);
    expect(folder.reads).toHaveLength(20_000);
  });

  test("reads each input once, however many ways lead to it", () => {
    const folder = new Folder();
    // Two to the power of forty ways.
    let layer = [folder.add("a"), folder.add("b")];
    for (let depth = 0; depth < 40; depth += 1) {
      const inputs = layer.map((path) => [path, [out]] as const);
      layer = [folder.add("a", { inputs }), folder.add("b", { inputs })];
    }
    const top = folder.add("top", { inputs: layer.map((path) => [path, [out]] as const) });
    folder.hash(top);
    expect(folder.reads).toHaveLength(82);
    expect(new Set(folder.reads).size).toBe(82);
  });

  test.each([true, false])("reads an input of itself and of an input once, named first: %s", (first) => {
    const folder = new Folder();
    const below = folder.add("below");
    const middle = folder.add("middle", { inputs: [[below, [out]]] });
    const inputs = first ? [below, middle] : [middle, below];
    const top = folder.add("top", { inputs: inputs.map((path) => [path, [out]] as const) });
    folder.hash(top);
    expect(folder.reads).toEqual(expect.arrayContaining([below, middle]));
    expect(folder.reads).toHaveLength(2);
  });

  test("reads nothing that a cache has", () => {
    const folder = new Folder();
    const below = folder.add("below");
    const middle = folder.add("middle", { inputs: [[below, [out]]] });
    const top = folder.add("top", { inputs: [[middle, [out]]] });
    const cache = new HashModuloCache();
    const first = computeHashModulo(folder.get(top), true, folder.read, cache);
    const again = computeHashModulo(folder.get(top), true, folder.read, cache);
    expect(again).toEqual(first);
    expect(folder.reads).toHaveLength(2);
    expect(cache.get(middle)).toEqual(computeHashModulo(folder.get(middle), false, folder.read));
  });
});
