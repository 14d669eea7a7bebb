import { describe, expect, test } from "vitest";
import {
  bytesOf,
  checkDerivation,
  completeDerivation,
  computeDerivationPath,
  computeOutputPaths,
  type Derivation,
  type DerivationOutput,
  defaultStoreDir,
  Environment,
  makeOutputName,
  makeStoreDir,
  makeStorePath,
  outputPlaceholder,
  type ReadDerivation,
  type StorePath,
  validateDerivation,
} from "../src/index.js";

const out = makeOutputName("out");
const nothing: ReadDerivation = (path) => {
  throw Object.assign(new Error(`'${path}' is not there`), { code: "ENOENT" });
};

const open: Derivation = {
  name: "x",
  outputs: new Map([[out, { kind: "deferred" }]]),
  inputDrvs: new Map(),
  inputSrcs: new Set(),
  platform: "x86_64-linux",
  builder: bytesOf("/bin/sh"),
  args: [],
  env: Environment.from([[bytesOf("out"), bytesOf("")]]),
};
const outPath = computeOutputPaths(open, nothing).get(out) as StorePath;
const filled = (path: StorePath, value: string | Uint8Array = path): Derivation => ({
  ...open,
  outputs: new Map([[out, { kind: "inputAddressed", path }]]),
  env: open.env.with("out", typeof value === "string" ? bytesOf(value) : value),
});
const wrongPath = makeStorePath(defaultStoreDir, "00000000000000000000000000000000-x");

function validate(drv: Derivation, read = nothing): void {
  validateDerivation(computeDerivationPath(defaultStoreDir, drv), drv, read);
}

describe("validateDerivation", () => {
  test("takes a derivation whose path and variable are right", () => {
    expect(() => validate(filled(outPath))).not.toThrow();
  });

  test("computes in the store directory of the derivation", () => {
    const other = makeStoreDir("/other/store");
    const path = computeOutputPaths(open, nothing, { storeDir: other }).get(out) as StorePath;
    const drv = filled(path);
    expect(() => validateDerivation(computeDerivationPath(other, drv), drv, nothing)).not.toThrow();
    expect(path.slice(other.length)).not.toBe(outPath.slice(defaultStoreDir.length));
  });

  test("asks nothing of an output whose path nobody knows", () => {
    expect(() => validate(open)).not.toThrow();
    const floating: DerivationOutput = { kind: "floating", method: "nar", algorithm: "sha256" };
    expect(() => validate({ ...open, outputs: new Map([[out, floating]]) })).not.toThrow();
  });

  test.each<{ name: string; drv: Derivation; code: string; message: string }>([
    {
      name: "another output path",
      drv: filled(wrongPath),
      code: "ERR_DRV_OUTPUT_PATH",
      message: `has incorrect output '${wrongPath}', should be '${outPath}'`,
    },
    {
      name: "a variable that holds another path",
      drv: filled(outPath, wrongPath),
      code: "ERR_DRV_ENVIRONMENT",
      message: `has incorrect environment variable 'out', should be '${outPath}'`,
    },
    {
      name: "an empty variable",
      drv: filled(outPath, ""),
      code: "ERR_DRV_ENVIRONMENT",
      message: `has incorrect environment variable 'out', should be '${outPath}'`,
    },
    {
      name: "a variable that is no text",
      drv: filled(outPath, Uint8Array.of(0xff)),
      code: "ERR_DRV_ENVIRONMENT",
      message: `has incorrect environment variable 'out', should be '${outPath}'`,
    },
    {
      name: "no outputs",
      drv: { ...open, outputs: new Map() },
      code: "ERR_DRV_TYPE",
      message: "at least one output",
    },
  ])("refuses $name", ({ drv, code, message }) => {
    expect(() => validate(drv)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  test("refuses a missing variable", () => {
    const bare = { ...open, env: Environment.from([]) };
    const path = computeOutputPaths(bare, nothing).get(out) as StorePath;
    expect(() => validate({ ...bare, outputs: new Map([[out, { kind: "inputAddressed", path }]]) })).toThrow(
      expect.objectContaining({ code: "ERR_DRV_ENVIRONMENT" }),
    );
  });

  test("refuses the path of a derivation with another name", () => {
    const path = makeStorePath(defaultStoreDir, "00000000000000000000000000000000-y.drv");
    expect(() => validateDerivation(path, filled(outPath), nothing)).toThrow(
      expect.objectContaining({ code: "ERR_STORE_PATH" }),
    );
  });

  test("refuses a stated path that only a build can tell", () => {
    const floating: DerivationOutput = { kind: "floating", method: "nar", algorithm: "sha256" };
    const below: Derivation = { ...open, outputs: new Map([[out, floating]]) };
    const input = computeDerivationPath(defaultStoreDir, below);
    const drv = { ...filled(outPath), inputDrvs: new Map([[input, new Set([out])]]) };
    expect(() => validate(drv, () => below)).toThrow(
      expect.objectContaining({ code: "ERR_DRV_OUTPUT_PATH" }),
    );
  });

  test("gives on what the reading of an input throws", () => {
    const input = makeStorePath(defaultStoreDir, "00000000000000000000000000000000-y.drv");
    const drv = { ...filled(outPath), inputDrvs: new Map([[input, new Set([out])]]) };
    expect(() => validate(drv)).toThrow(expect.objectContaining({ code: "ENOENT" }));
  });
});

describe("checkDerivation", () => {
  const check = (drv: Derivation) =>
    checkDerivation(makeStorePath(defaultStoreDir, `${"0".repeat(32)}-x.drv`), drv, nothing);

  test("finds nothing in a derivation that is right", () => {
    expect(check(filled(outPath))).toEqual([]);
  });

  test("finds all at once", () => {
    const dev = makeOutputName("dev");
    const outputs = new Map([
      ...filled(wrongPath).outputs,
      [dev, { kind: "inputAddressed", path: wrongPath }],
    ] as const);
    const found = check({ ...filled(wrongPath), name: "y", outputs });
    expect(found.map(({ code, output }) => [code, output])).toEqual([
      ["ERR_STORE_PATH", undefined],
      ["ERR_DRV_OUTPUT_PATH", out],
      ["ERR_DRV_OUTPUT_PATH", dev],
    ]);
    expect(found.every(({ severity }) => severity === "error")).toBe(true);
  });

  test("finds that the outputs do not go together", () => {
    expect(check({ ...open, outputs: new Map() })).toMatchObject([
      { severity: "error", code: "ERR_DRV_TYPE" },
    ]);
  });

  test("warns of an output that is deferred without need", () => {
    expect(check(open)).toEqual([
      {
        severity: "warning",
        code: "ERR_DRV_OUTPUT_PATH",
        message: `derivation '/nix/store/${"0".repeat(32)}-x.drv' has deferred output 'out', should be '${outPath}'`,
        output: out,
      },
    ]);
    expect(() => validate(open)).not.toThrow();
  });

  test("an input-addressed derivation may not ask for builder-rpc-v0", () => {
    const asking = { ...open, env: open.env.with("requiredSystemFeatures", bytesOf("kvm builder-rpc-v0")) };
    const [path] = computeOutputPaths(asking, nothing).values();
    const whole = completeDerivation(asking, nothing);
    expect(check(whole)).toMatchObject([{ severity: "error", code: "ERR_DRV_TYPE" }]);
    expect(path).toBeDefined();
    const floating: DerivationOutput = { kind: "floating", method: "nar", algorithm: "sha256" };
    expect(check({ ...asking, outputs: new Map([[out, floating]]) })).toEqual([]);
  });
});

describe("completeDerivation", () => {
  test("fills in paths and variables that are missing or empty", () => {
    for (const env of [open.env, Environment.from([])])
      expect(contents(completeDerivation({ ...open, env }, nothing))).toEqual(contents(filled(outPath)));
  });

  test("gives floating and impure outputs their placeholders", () => {
    for (const kind of ["floating", "impure"] as const) {
      const outputs = new Map([[out, { kind, method: "nar", algorithm: "sha256" } as const]]);
      const complete = completeDerivation({ ...open, outputs }, nothing);
      expect(complete.env.getText("out")).toBe(outputPlaceholder(out));
      expect(complete.outputs).toEqual(outputs);
    }
  });

  test("keeps what is stated", () => {
    const stated = { ...open, env: open.env.with("out", bytesOf("mine")) };
    expect(completeDerivation(stated, nothing).env.getText("out")).toBe("mine");
    expect(contents(completeDerivation(filled(wrongPath), nothing))).toEqual(contents(filled(wrongPath)));
  });
});

function contents(drv: Derivation) {
  return { ...drv, env: [...drv.env.entries()] };
}
