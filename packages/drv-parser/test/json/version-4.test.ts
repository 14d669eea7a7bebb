import { describe, expect, test } from "vitest";
import {
  bytesOf,
  type Derivation,
  defaultStoreDir,
  derivation,
  derivationToJson,
  derivationToJson4,
  Environment,
  isDerivationPath,
  makeStorePath,
  parseDerivationJson,
  parseDerivationsJson,
  parseJson,
  printDerivation,
  printDerivationsJson4,
  printJson,
  Source,
} from "../../src/index.js";

const base = { name: "x", system: "x86_64-linux", builder: "/bin/sh" } as const;
const lib = derivation({ ...base, name: "lib", outputs: ["out", "dev"] });
const src = new Source(makeStorePath(defaultStoreDir, "i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt"));
const floating = derivation({ ...base, name: "floating", __contentAddressed: true, outputHashMode: "text" });
const examples: Readonly<Record<string, Derivation>> = {
  plain: derivation({ ...base, lib: lib.output("dev"), src, outputs: ["out", "doc"] }).derivation,
  fixed: derivation({ ...base, outputHash: "", outputHashAlgo: "sha1", outputHashMode: "recursive" })
    .derivation,
  floating: floating.derivation,
  deferred: derivation({ ...base, floating }).derivation,
  impure: derivation({ ...base, __impure: true }).derivation,
  dynamic: derivation({ ...base, inner: floating.output().output("bin").output("lib"), floating }).derivation,
  structured: derivation({ ...base, __structuredAttrs: true, big: 2n ** 63n, list: [1, { a: null }] })
    .derivation,
  binary: {
    ...lib.derivation,
    builder: Uint8Array.of(0xff),
    args: [bytesOf("a"), Uint8Array.of(0xfe)],
    env: Environment.from([
      [Uint8Array.of(0x80), bytesOf("v")],
      [bytesOf("k"), Uint8Array.of(0x81)],
      [bytesOf("t"), bytesOf("t")],
    ]),
  },
};

describe.each(Object.entries(examples))("%s", (_name, drv) => {
  const bytes = Buffer.from(printDerivation(drv)).toString("latin1");
  const printed = (each: Derivation) => Buffer.from(printDerivation(each)).toString("latin1");

  test("is read from version 4 as it was printed", () => {
    expect(printed(parseDerivationJson(printJson(derivationToJson4(drv))))).toBe(bytes);
  });

  test("is read from a document as it was printed", () => {
    const path = makeStorePath(defaultStoreDir, `${"0".repeat(32)}-${drv.name}.drv`);
    for (const indent of [0, 2]) {
      const document = parseDerivationsJson(printDerivationsJson4(new Map([[path, drv]]), indent));
      expect([...document.keys()]).toEqual([path]);
      expect(printed(document.get(path) as Derivation)).toBe(bytes);
    }
  });

  test("is read from the form of 2.8 as it was printed, nested inputs aside", () => {
    const path = `/nix/store/${"0".repeat(32)}-${drv.name}.drv`;
    const document = parseDerivationsJson(JSON.stringify({ [path]: derivationToJson(drv) }));
    const { dynamicInputs: _dynamicInputs, ...plain } = drv;
    expect(printed(document.get(path as never) as Derivation)).toBe(printed(plain));
  });
});

test("version 4 has the members that the specification names", () => {
  expect(JSON.parse(printJson(derivationToJson4(examples["plain"] as Derivation)))).toEqual({
    name: "x",
    version: 4,
    outputs: {
      doc: { path: expect.stringMatching(/^[0-9a-z]{32}-x-doc$/u) },
      out: { path: expect.stringMatching(/^[0-9a-z]{32}-x$/u) },
    },
    inputs: {
      drvs: { [lib.drvPath.slice(11)]: { outputs: ["dev"], dynamicOutputs: {} } },
      srcs: ["i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt"],
    },
    system: "x86_64-linux",
    builder: "/bin/sh",
    args: [],
    env: expect.objectContaining({ name: "x", outputs: "out doc" }),
  });
  const member = (name: string) =>
    JSON.parse(printJson(derivationToJson4(examples[name] as Derivation))).outputs.out;
  expect(member("fixed")).toEqual({ method: "nar", hash: "sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=" });
  expect(member("floating")).toEqual({ method: "text", hashAlgo: "sha256" });
  expect(member("deferred")).toEqual({});
  expect(member("impure")).toEqual({ method: "nar", hashAlgo: "sha256", impure: true });
  const structured = parseJson(printJson(derivationToJson4(examples["structured"] as Derivation)));
  expect(printJson(structured)).toContain('"structuredAttrs":{"big":9223372036854775808,"builder"');
  expect(printJson(structured)).not.toContain("__json");
});

test("inputs may be a list, of a derivation without input derivations", () => {
  const json = JSON.parse(printJson(derivationToJson4(lib.derivation)));
  const read = parseDerivationJson(
    JSON.stringify({ ...json, inputs: ["i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt"] }),
  );
  expect([read.inputDrvs.size, [...read.inputSrcs]]).toEqual([0, [src.path]]);
});

describe("refuses", () => {
  const whole = JSON.parse(printJson(derivationToJson4(examples["plain"] as Derivation)));
  const path = whole.outputs.out.path;

  test.each<[string, object, string]>([
    [
      "another version",
      { version: 5 },
      "Unsupported derivation JSON format version 5, only format version 4 is currently supported.",
    ],
    ["no version", { version: undefined }, "expected a number as 'version', found nothing"],
    ["no name", { name: 1 }, "expected a string as 'name', found 1"],
    ["no outputs", { outputs: undefined }, "expected an object as 'outputs', found nothing"],
    [
      "an output of no kind",
      { outputs: { out: { path, method: "nar" } } },
      `expected an output of a kind that there is as 'outputs.out', found {"method":"nar","path":"${path}"}`,
    ],
    [
      "a method that is none",
      { outputs: { out: { hashAlgo: "sha256", method: "recursive" } } },
      "expected 'flat', 'nar', 'text' or 'git' as 'outputs.out.method', found \"recursive\"",
    ],
    [
      "an algorithm that is none",
      { outputs: { out: { hashAlgo: "sha3", method: "nar" } } },
      "outputs.out: unknown hash algorithm 'sha3'",
    ],
    [
      "impure as no",
      { outputs: { out: { hashAlgo: "md5", method: "nar", impure: false } } },
      "expected true as 'outputs.out.impure', found false",
    ],
    [
      "a path that does not follow from the hash",
      {
        outputs: {
          out: { path, method: "nar", hashAlgo: "sha1", hash: "sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
        },
      },
      "expected '/nix/store/",
    ],
    [
      "a path that is none",
      { outputs: { out: { path: "x" } } },
      "outputs.out: path 'x' is too short to be a valid store path",
    ],
    [
      "an input that is no derivation",
      { inputs: { srcs: [], drvs: { [path]: { outputs: [], dynamicOutputs: {} } } } },
      `expected outputs of a derivation as 'inputs.drvs.${path}'`,
    ],
    [
      "a source that is none",
      { inputs: { srcs: [1], drvs: {} } },
      "expected a string as 'inputs.srcs[0]', found 1",
    ],
    ["an argument that is none", { args: ["a", null] }, "expected a string as 'args[1]', found null"],
    ["a variable that is none", { env: { a: [] } }, "expected a string as 'env.a', found []"],
    [
      "what is no base 64",
      { builder: undefined, builderBase64: "?" },
      "expected base 64 as 'builderBase64', found \"?\"",
    ],
    [
      "attributes that are none",
      { structuredAttrs: [] },
      "expected an object as 'structuredAttrs', found []",
    ],
  ])("%s", (_name, members, message) => {
    expect(() => parseDerivationJson(JSON.stringify({ ...whole, ...members }))).toThrow(
      expect.objectContaining({ code: "ERR_DRV_JSON", message: expect.stringContaining(message) }),
    );
  });

  test("what is no document", () => {
    expect(() => parseDerivationsJson("[]")).toThrow(
      expect.objectContaining({ message: "expected an object as the document, found []" }),
    );
    expect(() => parseDerivationsJson("{")).toThrow(expect.objectContaining({ code: "ERR_JSON_SYNTAX" }));
    expect(() => parseDerivationsJson('{"x":{}}')).toThrow(expect.objectContaining({ code: "ERR_DRV_JSON" }));
    expect(isDerivationPath(lib.drvPath)).toBe(true);
  });
});
