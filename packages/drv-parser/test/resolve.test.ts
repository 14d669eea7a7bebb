import { expect, test } from "vitest";
import {
  bytesOf,
  type Derivation,
  defaultStoreDir,
  derivation,
  derivationType,
  makeOutputName,
  makeStorePath,
  needsResolution,
  nix,
  type OutputPathLookup,
  printDerivation,
  resolveDerivation,
  textOf,
  tryResolve,
} from "../src/index.js";

const base = { name: "x", system: "x86_64-linux", builder: "/bin/sh" } as const;
const floating = derivation({ ...base, name: "floating", __contentAddressed: true });
const made = makeStorePath(defaultStoreDir, "20358y39a0qp8drpx2nk3zmq2fd76qhd-floating");
const drvMade = makeStorePath(defaultStoreDir, "3yqlm6qcq8599j7lzix4ijnrb7clz6wf-made.drv");
const innerMade = makeStorePath(defaultStoreDir, "i9pmrzmpshapij2kin22pff6fc2adavx-inner");
const known: OutputPathLookup = (drvPath, output) =>
  drvPath === floating.drvPath && output === "out" ? made : undefined;

test("placeholders are replaced wherever they stand, and nowhere else", () => {
  const user = derivation({
    ...base,
    builder: nix`${floating}/bin/sh`,
    args: [nix`${floating}${floating}`, "/1 /0 / //", Uint8Array.of(0xff, 0x2f)],
    binary: nix`${Uint8Array.of(0xfe)}${floating}/x`,
    plain: "nothing",
  });
  const { builder, args, env, inputDrvs, inputSrcs } = resolveDerivation(user.derivation, known);
  expect(textOf(builder)).toBe(`${made}/bin/sh`);
  expect(args.map((arg) => Buffer.from(arg).toString("latin1"))).toEqual([
    `${made}${made}`,
    "/1 /0 / //",
    "\u00ff/",
  ]);
  expect(Buffer.from(env.get("binary") ?? []).toString("latin1")).toBe(`\u00fe${made}/x`);
  expect([inputDrvs.size, [...inputSrcs]]).toEqual([0, [made]]);
});

test("output paths that waited are computed; those of floating outputs stay open", () => {
  const deferred = derivation({ ...base, input: floating }).derivation;
  expect(derivationType(deferred)).toEqual({ kind: "inputAddressed", deferred: true });
  const resolved = resolveDerivation(deferred, known);
  const output = resolved.outputs.get(makeOutputName("out"));
  expect(output).toMatchObject({ kind: "inputAddressed" });
  expect(output !== undefined && "path" in output ? output.path : "").toBe(resolved.env.getText("out"));

  const other = derivation({ ...base, input: floating, __contentAddressed: true }).derivation;
  expect(resolveDerivation(other, known).outputs).toEqual(other.outputs);
});

test("says which output is missing", () => {
  const user = derivation({ ...base, input: floating }).derivation;
  const missing = { type: "missing", drvPath: floating.drvPath, output: "out" };
  expect(tryResolve(user, () => undefined)).toEqual(missing);
  expect(() => resolveDerivation(user, () => undefined)).toThrow(
    expect.objectContaining({
      code: "ERR_DRV_INPUT",
      message: `output 'out' of input '${floating.drvPath}' missing, aborting the resolving`,
    }),
  );
});

test("outputs of outputs are resolved step by step", () => {
  const makesDerivation = derivation({
    ...base,
    name: "made.drv".replace(".drv", ""),
    __contentAddressed: true,
    outputHashMode: "text",
  });
  const user = derivation({ ...base, input: makesDerivation.output().output("dev") }).derivation;
  expect(user.dynamicInputs?.size).toBe(1);
  const first: OutputPathLookup = (path) => (path === makesDerivation.drvPath ? drvMade : undefined);
  expect(tryResolve(user, first)).toEqual({ type: "missing", drvPath: drvMade, output: "dev" });
  const both: OutputPathLookup = (path) =>
    path === drvMade ? innerMade : first(path, makeOutputName("out"));
  const resolved = resolveDerivation(user, both);
  expect(resolved.env.getText("input")).toBe(innerMade);
  expect([...resolved.inputSrcs]).toEqual([innerMade]);
  expect(Buffer.from(printDerivation(resolved)).toString()).toMatch(/^Derive\(/u);
});

test("what needs it", () => {
  const source = { ...base, args: ["x"] };
  const fixed = derivation({ ...base, input: floating, outputHash: "", outputHashAlgo: "sha256" }).derivation;
  const cases: readonly (readonly [Derivation, boolean])[] = [
    [derivation(source).derivation, false],
    [floating.derivation, false],
    [derivation({ ...base, input: derivation(source) }).derivation, false],
    [derivation({ ...base, input: floating }).derivation, true],
    [derivation({ ...base, input: floating, __contentAddressed: true }).derivation, true],
    [derivation({ ...base, input: derivation(source), __impure: true }).derivation, true],
    [fixed, true],
  ];
  expect(cases.map(([drv]) => needsResolution(drv))).toEqual(cases.map(([, needed]) => needed));
  expect(needsResolution(fixed, false)).toBe(false);
  expect(bytesOf("")).toHaveLength(0);
});
