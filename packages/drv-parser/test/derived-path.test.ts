import { describe, expect, test } from "vitest";
import {
  type DerivedPath,
  defaultStoreDir,
  derivedPathFromJson,
  derivedPathToJson,
  makeStorePath,
  parseDerivedPath,
  parseDynamicDerivedPath,
  parseJson,
  printDerivedPath,
} from "../src/index.js";

const drvPath = makeStorePath(defaultStoreDir, "00000000000000000000000000000000-x.drv");
const path = makeStorePath(defaultStoreDir, "00000000000000000000000000000000-x");
const parse = (text: string) => parseDerivedPath(defaultStoreDir, text);
const built = (...outputs: string[]) => ({ type: "built", drvPath, outputs: new Set(outputs) });

describe("parseDerivedPath", () => {
  test.each([
    { text: path, derived: { type: "opaque", path } },
    { text: drvPath, derived: { type: "opaque", path: drvPath } },
    { text: `${drvPath}^*`, derived: { type: "built", drvPath, outputs: "all" } },
    { text: `${drvPath}!*`, derived: { type: "built", drvPath, outputs: "all" } },
    { text: `${drvPath}^out`, derived: built("out") },
    { text: `${drvPath}!out`, derived: built("out") },
    { text: `${drvPath}^out,dev,out`, derived: built("dev", "out") },
  ])("reads $text", ({ text, derived }) => {
    expect(parse(text)).toEqual(derived);
  });

  test.each([
    { name: "no output name", text: `${drvPath}^`, code: "ERR_DERIVED_PATH" },
    { name: "an empty output name", text: `${drvPath}^out,`, code: "ERR_DERIVED_PATH" },
    { name: "outputs of what is no derivation", text: `${path}^out`, code: "ERR_DERIVED_PATH" },
    { name: "outputs of an output", text: `${drvPath}^out^bin`, code: "ERR_DERIVED_PATH" },
    { name: "all outputs and one", text: `${drvPath}^*,out`, code: "ERR_OUTPUT_NAME" },
    { name: "a blank in an output name", text: `${drvPath}^out, dev`, code: "ERR_OUTPUT_NAME" },
    { name: "a path that is not in the store", text: "/tmp/x.drv^out", code: "ERR_STORE_PATH" },
    { name: "a file below a store path", text: `${path}/bin/x`, code: "ERR_STORE_PATH" },
    { name: "nothing", text: "", code: "ERR_STORE_PATH" },
  ])("refuses $name", ({ text, code }) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code }));
  });
});

test("printDerivedPath writes names in byte order behind '^'", () => {
  const texts = [path, `${drvPath}^*`, `${drvPath}^Z,dev,out`];
  expect(texts.map((text) => printDerivedPath(parse(text)))).toEqual(texts);
  const unsorted = {
    type: "built",
    drvPath,
    outputs: new Set(["out", "Z", "dev"]),
  } as unknown as DerivedPath;
  expect(printDerivedPath(unsorted)).toBe(`${drvPath}^Z,dev,out`);
});

describe("outputs of outputs", () => {
  const parseAny = (text: string) => parseDynamicDerivedPath(defaultStoreDir, text);
  const texts = [
    path,
    `${drvPath}^*`,
    `${drvPath}^dev,out`,
    `${drvPath}^out^bin`,
    `${drvPath}^a^b^*`,
    `${drvPath}^a^b^c^x,y`,
  ];

  test("are read and printed again", () => {
    expect(texts.map((text) => printDerivedPath(parseAny(text)))).toEqual(texts);
    const wire = texts.map((text) => text.replaceAll("^", "!"));
    expect(wire.map((text) => printDerivedPath(parseAny(text), "!"))).toEqual(wire);
    expect(parseAny(`${drvPath}^out^bin`)).toEqual({
      type: "dynamic",
      of: { type: "output", of: { type: "opaque", path: drvPath }, output: "out" },
      outputs: new Set(["bin"]),
    });
  });

  test("have a JSON form", () => {
    const json = texts.map((text) => derivedPathToJson(parseAny(text)));
    const base = "00000000000000000000000000000000-x";
    expect(json.slice(0, 4)).toEqual([
      base,
      { drvPath: `${base}.drv`, outputs: ["*"] },
      { drvPath: `${base}.drv`, outputs: ["dev", "out"] },
      { drvPath: { drvPath: `${base}.drv`, output: "out" }, outputs: ["bin"] },
    ]);
    const again = json.map((each) => derivedPathFromJson(parseJson(JSON.stringify(each)), defaultStoreDir));
    expect(again.map((each) => printDerivedPath(each))).toEqual(texts);
  });

  test.each([
    ["1", "expected an object as the document, found 1"],
    ['"x"', "path 'x' is too short"],
    ["{}", "expected an object as 'drvPath', found nothing"],
    [
      '{"drvPath":"00000000000000000000000000000000-x","outputs":["a"]}',
      "expected a derivation as 'drvPath'",
    ],
    [
      '{"drvPath":"00000000000000000000000000000000-x.drv","outputs":[]}',
      "expected names of outputs as 'outputs'",
    ],
    [
      `{"drvPath":${'{"drvPath":'.repeat(80)}"x"${',"output":"o"}'.repeat(80)},"outputs":["a"]}`,
      "more than 64",
    ],
  ])("have no JSON form like %s", (text, message) => {
    expect(() => derivedPathFromJson(parseJson(text), defaultStoreDir)).toThrow(
      expect.objectContaining({ code: "ERR_DRV_JSON", message: expect.stringContaining(message) }),
    );
  });

  test.each([`${drvPath}^^out`, `${drvPath}^a,b^out`, `${drvPath}^*^out`, `${drvPath}${"^a".repeat(70)}`])(
    "are not read from '%s'",
    (text) => {
      expect(() => parseAny(text)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_(?:OUTPUT_NAME|DERIVED_PATH)$/u) }),
      );
    },
  );
});
