import { describe, expect, test } from "vitest";
import {
  bytesOf,
  computedPlaceholder,
  computeHashModulo,
  computeOutputPaths,
  type Derivation,
  derivation,
  isCanonicalDerivation,
  nix,
  parseDerivation,
  printDerivation,
  upstreamPlaceholder,
} from "../../src/index.js";

const drv = "/nix/store/3yqlm6qcq8599j7lzix4ijnrb7clz6wf-ca.drv";
const other = "/nix/store/my9bcpyddz4f5izr21ykvi4b61gfsg40-cam.drv";
const textWith = (inputs: string, head = 'DrvWithVersion("xp-dyn-drv",') =>
  `${head}[("out","","","")],${inputs},[],"p","b",[],[("out","")])`;
const parse = (text: string, lenient = false) =>
  parseDerivation(bytesOf(text), { name: "x", dynamic: true, lenient });

describe("the form with a version", () => {
  test.each([
    ["one level", `[("${drv}",([],[("out",["bin","out"])]))]`],
    ["names beside it", `[("${drv}",(["out"],[("out",["bin"])])),("${other}",["dev"])]`],
    ["several levels", `[("${drv}",([],[("a",(["x"],[("b",["y"])])),("out",["bin"])]))]`],
  ])("is read and printed again: %s", (_name, inputs) => {
    const text = textWith(inputs);
    const parsed = parse(text);
    expect(Buffer.from(printDerivation(parsed)).toString()).toBe(text);
    expect(parsed.dynamicInputs?.size).toBe(1);
    expect(parsed.inputDrvs.size).toBe(inputs.includes(other) ? 2 : 1);
  });

  test.each([
    ["no nested inputs", `[("${drv}",["out"])]`, 0, "a version without nested inputs"],
    ["an empty list of them", `[("${drv}",(["out"],[]))]`, 111, "nested inputs without any"],
    ["names that do not ascend", `[("${drv}",([],[("b",["out"]),("a",["out"])]))]`, 121, "an unsorted entry"],
  ])("is not canonical with %s", (_name, inputs, offset, found) => {
    const text = textWith(inputs);
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: "ERR_DRV_SYNTAX", expected: "the canonical form", found, offset }),
    );
    expect(() => parse(text, true)).not.toThrow();
    expect(isCanonicalDerivation(bytesOf(text), { name: "x", dynamic: true })).toBe(false);
  });

  test.each([
    ["an input of which nothing is wanted", `[("${drv}",[])]`],
    ["an input with neither", `[("${drv}",([],[]))]`],
    ["an output of which nothing is wanted", `[("${drv}",([],[("out",[])]))]`],
    ["endless nesting", `[("${drv}",${'([],[("o",'.repeat(65)}["x"]${")])".repeat(65)})]`],
  ])("is refused with %s", (_name, inputs) => {
    expect(() => parse(textWith(inputs), true)).toThrow(expect.objectContaining({ code: "ERR_DRV_SYNTAX" }));
  });

  test("is refused unless it is asked for, and in another version", () => {
    const text = bytesOf(textWith(`[("${drv}",([],[("out",["bin"])]))]`));
    expect(() => parseDerivation(text, { name: "x" })).toThrow(
      expect.objectContaining({
        code: "ERR_DRV_TYPE",
        message: expect.stringContaining("experimental Nix feature 'dynamic-derivations' is disabled"),
      }),
    );
    expect(() => parse(textWith("[]", 'DrvWithVersion("xp-foo",'))).toThrow(
      expect.objectContaining({ message: "Unknown derivation ATerm format version 'xp-foo'" }),
    );
  });
});

describe("an authored derivation on an output of an output", () => {
  const base = { name: "x", system: "p", builder: "b" } as const;
  const maker = derivation({ ...base, name: "made", __contentAddressed: true, outputHashMode: "text" });
  const inner = maker.output().output("bin");
  const user = derivation({
    ...base,
    args: [nix`${inner}/bin/x`],
    deeper: inner.output("lib"),
    plain: maker,
  });

  test("wants it through its placeholder", () => {
    const upstream = upstreamPlaceholder(maker.drvPath, maker.output().name);
    expect(inner.text).toBe(computedPlaceholder(upstream, inner.name));
    expect(user.derivation.env.getText("deeper")).toBe(
      computedPlaceholder(computedPlaceholder(upstream, inner.name), inner.output("lib").name),
    );
    const printed = Buffer.from(user.bytes).toString();
    expect(printed.slice(0, printed.indexOf(',"p"'))).toBe(
      `DrvWithVersion("xp-dyn-drv",[("out","","","")],[("${maker.drvPath}",(["out"],[("out",(["bin"],[("bin",["lib"])]))]))],[]`,
    );
  });

  test("reads as what was described", () => {
    expect(parseDerivation(user.bytes, { name: "x", dynamic: true }).dynamicInputs).toEqual(
      user.derivation.dynamicInputs,
    );
  });

  test("is deferred, and so is what lies above", () => {
    const read = (path: string): Derivation => (path === maker.drvPath ? maker : user).derivation;
    expect(computeHashModulo(user.derivation, true, read).deferred).toBe(true);
    expect([...computeOutputPaths(user.derivation, read).values()]).toEqual([undefined]);
    expect(derivation({ ...base, name: "above", user }).output().path).toBeUndefined();
  });

  test("has another hash modulo when it wants something else", () => {
    const read = () => maker.derivation;
    const hashOf = (name: string) => {
      const each = derivation({ ...base, input: maker.output().output(name) }).derivation;
      const same: Derivation = { ...each, env: user.derivation.env };
      return computeHashModulo(same, true, read).hashes.get(maker.output().name);
    };
    expect(hashOf("a")).not.toEqual(hashOf("b"));
    expect(hashOf("a")).toEqual(hashOf("a"));
  });
});
