import { describe, expect, test } from "vitest";
import {
  type Derivation,
  defaultStoreDir,
  hashBytes,
  makeOutputName,
  makeStorePath,
  outlineOf,
} from "../../src/index.js";
import { withEnv } from "../support/derivation-text.js";

const pathOf = (name: string) => makeStorePath(defaultStoreDir, `${"0".repeat(32)}-${name}`);
const drvPath = pathOf("x.drv");
const [out, dev] = ["out", "dev"].map(makeOutputName) as [never, never];

function outline(variables: Readonly<Record<string, string>>, outputs: Derivation["outputs"]) {
  return outlineOf(drvPath, { ...withEnv(variables), outputs });
}

describe("an outline", () => {
  test("has the outputs, and the inputs with what is wanted of them", () => {
    const ca = { method: "flat", hash: hashBytes("sha256", new Uint8Array()) } as const;
    const inputDrvs = new Map([[pathOf("y.drv"), new Set([dev])]]);
    const outputs: Derivation["outputs"] = new Map([[out, { kind: "fixed", ca, path: pathOf("x") }]]);
    expect(outlineOf(drvPath, { ...withEnv({}), outputs, inputDrvs })).toEqual({
      outputs: [{ name: out, ca, path: pathOf("x") }],
      inputs: [{ drvPath: pathOf("y.drv"), outputs: new Set([dev]) }],
      allowSubstitutes: true,
    });
  });

  test("has no paths that only a build can tell", () => {
    expect(outline({}, new Map([[out, { kind: "deferred" }]])).outputs).toEqual([{ name: out }]);
  });

  test("says whether substitutes are allowed, and nothing where attributes are of a wrong type", () => {
    const outputs: Derivation["outputs"] = new Map([
      [out, { kind: "inputAddressed", path: pathOf("x") }],
      [dev, { kind: "inputAddressed", path: pathOf("x-dev") }],
    ]);
    expect(outline({ allowSubstitutes: "" }, outputs).allowSubstitutes).toBe(false);
    expect(outline({ __json: '{"allowSubstitutes":1}' }, outputs).allowSubstitutes).toBe(undefined);
  });
});
