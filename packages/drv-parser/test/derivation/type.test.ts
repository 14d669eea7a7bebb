import { describe, expect, test } from "vitest";
import {
  type DerivationOutput,
  derivationType,
  hashBytes,
  hasKnownOutputPaths,
  isFixed,
  isPure,
  isSandboxed,
  makeOutputName,
  type StorePath,
} from "../../src/index.js";

const path = "/nix/store/00000000000000000000000000000000-x" as StorePath;
const addressed: DerivationOutput = { kind: "inputAddressed", path };
const deferred: DerivationOutput = { kind: "deferred" };
const fixed: DerivationOutput = {
  kind: "fixed",
  path,
  ca: { method: "flat", hash: hashBytes("sha1", new Uint8Array()) },
};
const floating: DerivationOutput = { kind: "floating", method: "nar", algorithm: "sha256" };
const impure: DerivationOutput = { kind: "impure", method: "nar", algorithm: "sha256" };

const typeOf = (outputs: Readonly<Record<string, DerivationOutput>>) =>
  derivationType({
    outputs: new Map(Object.entries(outputs).map(([name, output]) => [makeOutputName(name), output])),
  });

describe("derivationType", () => {
  test.each([
    {
      outputs: { dev: addressed, out: addressed },
      type: { kind: "inputAddressed", deferred: false },
      is: "known sandboxed pure",
    },
    {
      outputs: { dev: deferred, out: deferred },
      type: { kind: "inputAddressed", deferred: true },
      is: "sandboxed pure",
    },
    { outputs: { out: fixed }, type: { kind: "fixed" }, is: "known fixed pure" },
    { outputs: { dev: floating, out: floating }, type: { kind: "floating" }, is: "sandboxed pure" },
    { outputs: { dev: impure, out: impure }, type: { kind: "impure" }, is: "" },
  ] as const)("$type.kind, which is $is", ({ outputs, type, is }) => {
    const found = typeOf(outputs);
    expect(found).toEqual(type);
    const words = [
      ...(hasKnownOutputPaths(found) ? ["known"] : []),
      ...(isFixed(found) ? ["fixed"] : []),
      ...(isSandboxed(found) ? ["sandboxed"] : []),
      ...(isPure(found) ? ["pure"] : []),
    ];
    expect(words.join(" ")).toBe(is);
  });

  test.each<{ name: string; outputs: Readonly<Record<string, DerivationOutput>>; message: string }>([
    { name: "no outputs", outputs: {}, message: "must have at least one output" },
    {
      name: "a mixture",
      outputs: { dev: deferred, out: addressed },
      message: "can't mix derivation output types",
    },
    {
      name: "fixed and floating outputs",
      outputs: { dev: floating, out: fixed },
      message: "can't mix derivation output types",
    },
    {
      name: "two fixed outputs",
      outputs: { dev: fixed, out: fixed },
      message: "only one fixed output is allowed for now",
    },
    {
      name: "a fixed output of another name",
      outputs: { dev: fixed },
      message: 'single fixed output must be named "out"',
    },
    {
      name: "floating outputs of two algorithms",
      outputs: { dev: { ...floating, algorithm: "sha1" }, out: floating },
      message: "all floating outputs must use the same hash type",
    },
  ])("refuses $name", ({ outputs, message }) => {
    expect(() => typeOf(outputs)).toThrow(expect.objectContaining({ code: "ERR_DRV_TYPE", message }));
  });
});
