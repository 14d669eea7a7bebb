import { describe, expect, test } from "vitest";
import {
  type DerivedPath,
  defaultStoreDir,
  makeStorePath,
  parseDerivedPath,
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
