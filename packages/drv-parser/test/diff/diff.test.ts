import { describe, expect, test } from "vitest";
import {
  type AuthoredDerivation,
  type Derivation,
  type DerivationAttributes,
  defaultStoreDir,
  derivation,
  diffDerivations,
  makeStorePath,
  nix,
  printDerivationDiff,
  Source,
  type StorePath,
} from "../../src/index.js";

const base = { system: "x86_64-linux", builder: "/bin/sh" } as const;
const make = (name: string, more: Partial<DerivationAttributes> = {}) =>
  derivation({ ...base, name, ...more } as DerivationAttributes);
const source = (hash: string, name: string) =>
  new Source(makeStorePath(defaultStoreDir, `${hash.repeat(32)}-${name}`));

/** Both derivations and all that they are made from. */
function diff(a: AuthoredDerivation, b: AuthoredDerivation) {
  const known = new Map<StorePath, Derivation>();
  const rest = [a, b];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (known.has(next.drvPath)) continue;
    known.set(next.drvPath, next.derivation);
    rest.push(...next.inputs);
  }
  const reads = new Map<StorePath, number>();
  const steps = diffDerivations(a.drvPath, b.drvPath, (path) => {
    reads.set(path, (reads.get(path) ?? 0) + 1);
    return known.get(path) as Derivation;
  });
  return { steps, reads };
}

const kinds = (a: AuthoredDerivation, b: AuthoredDerivation) =>
  diff(a, b).steps.map(({ a: path, differences }) => [path.slice(44), differences.map(({ kind }) => kind)]);

describe("diffDerivations", () => {
  test("a derivation does not differ from itself", () => {
    expect(diff(make("x"), make("x")).steps).toEqual([]);
  });

  test("names a cause once, and what only follows from it after it", () => {
    const chain = (flags: string) => {
      const lib = make("lib", { flags });
      const tool = make("tool", { args: ["-c", nix`${lib}/bin`] });
      return make("app", { args: [nix`${lib} ${tool}`], lib, tool });
    };
    const [a, b] = [chain("-O1"), chain("-O2")];
    expect(kinds(a, b)).toEqual([
      ["lib.drv", ["variable"]],
      ["tool.drv", []],
      ["app.drv", []],
    ]);
    expect(printDerivationDiff(diff(a, b).steps)).toBe(`lib.drv:
- ${a.inputs[0]?.drvPath}
+ ${b.inputs[0]?.drvPath}
  variable flags
  - -O1
  + -O2

tool.drv:
- ${a.inputs[1]?.drvPath}
+ ${b.inputs[1]?.drvPath}
  differs only through lib.drv

app.drv:
- ${a.drvPath}
+ ${b.drvPath}
  differs only through lib.drv, tool.drv
`);
  });

  test.each<[string, Partial<DerivationAttributes>, Partial<DerivationAttributes>, readonly string[]]>([
    ["the platform", { system: "p" }, { system: "q" }, ["platform", "variable"]],
    ["the builder", { builder: "/a" }, { builder: "/b" }, ["builder", "variable"]],
    ["arguments", { args: ["a", "b"] }, { args: ["a"] }, ["args"]],
    ["a variable that only one has", { x: "1" }, {}, ["variable"]],
    ["variables on both sides", { x: "1", z: "" }, { y: "1", z: "2" }, ["variable", "variable", "variable"]],
    ["an output", { outputs: ["out"] }, { outputs: ["out", "dev"] }, ["variable", "variable", "output"]],
    [
      "a hash",
      { outputHash: "", outputHashAlgo: "md5" },
      { outputHash: "d41d8cd98f00b204e9800998ecf8427e", outputHashAlgo: "md5" },
      ["variable", "output"],
    ],
    ["the kind", {}, { __contentAddressed: true }, ["output"]],
    ["a source", { src: source("0", "s") }, { src: source("1", "s") }, ["source"]],
    [
      "a source of another name",
      { src: source("0", "s") },
      { src: source("0", "t") },
      ["variable", "source", "source"],
    ],
    ["an input that only one has", { dep: make("dep") }, { dep: "" }, ["variable", "input"]],
  ])("tells %s", (_name, a, b, expected) => {
    expect(kinds(make("x", a), make("x", b))).toEqual([["x.drv", expected]]);
  });

  test("tells that other outputs are wanted", () => {
    const lib = (flags: string) => make("lib", { outputs: ["out", "dev"], flags });
    const a = make("x", { lib: lib("1").output("dev") });
    const b = make("x", { lib: lib("2") });
    expect(kinds(a, b)[1]).toEqual(["x.drv", ["variable", "wantedOutputs"]]);
  });

  test("what makes the same output counts as such", () => {
    const fetch = (url: string) =>
      make("src", { outputHash: "d41d8cd98f00b204e9800998ecf8427e", outputHashAlgo: "md5", url });
    const { steps } = diff(make("x", { src: fetch("http://a") }), make("x", { src: fetch("http://b") }));
    expect(steps.map(({ outputsDiffer }) => outputsDiffer)).toEqual([false, false]);
    expect(printDerivationDiff(steps)).toContain("  makes the same outputs\n  variable url\n");
  });

  test("pairs unlike names as what was asked for", () => {
    const { steps } = diff(make("x", { v: "1" }), make("y", { v: "1" }));
    expect(
      steps[0]?.differences.map((each) =>
        "name" in each ? Buffer.from(each.name as Uint8Array).toString() : "",
      ),
    ).toEqual(["name"]);
    expect(printDerivationDiff(steps)).toMatch(/^x\.drv and y\.drv:\n/u);
  });

  test("looks at each pair once in a graph with many ways through it", () => {
    const tower = (seed: string) => {
      let below = [make("base-a", { seed }), make("base-b", { seed })];
      for (let level = 0; level < 60; level += 1)
        below = ["a", "b"].map((side) => make(`level-${level}-${side}`, { below }));
      return make("top", { below });
    };
    const { steps, reads } = diff(tower("1"), tower("2"));
    expect(steps).toHaveLength(2 * 61 + 1);
    expect(Math.max(...reads.values())).toBeLessThan(5);
  });

  test("needs no deep call stack", { timeout: 60_000 }, () => {
    const tower = (seed: string) => {
      let below = make("base", { seed });
      for (let level = 0; level < 5000; level += 1) below = make("level", { below });
      return below;
    };
    expect(diff(tower("1"), tower("2")).steps).toHaveLength(5001);
  });
});

describe("printDerivationDiff", () => {
  test("shows of long values the lines that differ, and no control characters", () => {
    const script = (middle: string) => `set -e\n${middle}\nexit 0`;
    const text = printDerivationDiff(
      diff(make("x", { script: script("a\u001b[31m") }), make("x", { script: script("b\nc") })).steps,
    );
    expect(text).toContain("  variable script\n  - a\\x1b[31m\n  + b\n  + c\n");
  });

  test("cuts what is endless", () => {
    const text = printDerivationDiff(diff(make("x", { v: "a\n".repeat(100) }), make("x", { v: "" })).steps);
    expect(text).toContain("- … 80 more lines");
  });
});
