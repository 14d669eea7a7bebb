import {
  type DerivationOutline,
  defaultStoreDir,
  hashBytes,
  makeOutputName,
  makeStorePath,
  type OutlinedOutput,
  type StorePath,
} from "@drvkit/drv-parser";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeOutlineUnchecked, decodeOutputPathsUnchecked, encodeOutline } from "../src/outline-record.js";
import { pathOf } from "./support/objects.js";

const drvPath = pathOf("x.drv");
const outputName = fc
  .string({ unit: fc.constantFrom(..."azAZ09+-_?="), minLength: 1, maxLength: 211 })
  .map(makeOutputName);
const path: fc.Arbitrary<StorePath> = fc
  .tuple(
    fc.string({ unit: fc.constantFrom(..."0123456789abcdfghijklmnpqrsvwxyz"), minLength: 32, maxLength: 32 }),
    outputName,
  )
  .map(([hash, name]) => makeStorePath(defaultStoreDir, `${hash}-${name}`));
const ca = fc
  .tuple(fc.constantFrom("nar", "flat"), fc.constantFrom("md5", "sha1", "sha256", "sha512"), fc.uint8Array())
  .map(([method, algorithm, bytes]) => ({ method, hash: hashBytes(algorithm, bytes) }) as const);
const output: fc.Arbitrary<OutlinedOutput> = fc.oneof(
  fc.constant({}),
  fc.record({ path }),
  fc.record({ path, ca }),
);
const outline: fc.Arbitrary<DerivationOutline> = fc.record({
  outputs: fc.array(fc.tuple(outputName, output), { maxLength: 5 }).map((each) => new Map(each)),
  inputDrvs: fc
    .array(fc.tuple(path, fc.uniqueArray(outputName, { maxLength: 3 })), { maxLength: 20 })
    .map((each) => new Map(each.map(([input, names]) => [input, new Set(names)]))),
  allowSubstitutes: fc.constantFrom(true, false, undefined),
});

function latin1(record: Uint8Array): string {
  return Buffer.from(record).toString("latin1");
}

describe("record of an outline", () => {
  test("decoding gives back what was encoded", () => {
    fc.assert(
      fc.property(outline, (value) => {
        const decoded = decodeOutlineUnchecked(defaultStoreDir, drvPath, latin1(encodeOutline(value)));
        const outputs = [...decoded.outputs].map(([name, each]) => [name, { ...each }]);
        expect({ ...decoded, outputs: new Map(outputs as never) }).toEqual(value);
      }),
    );
  });

  test("the paths of outputs alone equal those of the whole record", () => {
    fc.assert(
      fc.property(outline, (value) => {
        const stated = [...value.outputs].flatMap(([name, each]) => (each.path ? [[name, each.path]] : []));
        const decoded = decodeOutputPathsUnchecked(defaultStoreDir, drvPath, latin1(encodeOutline(value)));
        expect([...decoded]).toEqual(stated);
      }),
    );
  });

  test("is refused when it ends early, wherever that is, and when it is of another version", () => {
    const value: DerivationOutline = {
      outputs: new Map([[makeOutputName("out"), { path: pathOf("x") }]]),
      inputDrvs: new Map([[pathOf("y.drv"), new Set([makeOutputName("dev")])]]),
      allowSubstitutes: true,
    };
    const record = latin1(encodeOutline(value));
    const refusal = expect.objectContaining({ code: "ERR_STORE_FORMAT", path: drvPath });
    for (let length = 0; length < record.length; length += 1)
      expect(() => decodeOutlineUnchecked(defaultStoreDir, drvPath, record.slice(0, length))).toThrowError(
        refusal,
      );
    expect(() => decodeOutlineUnchecked(defaultStoreDir, drvPath, `\u0002${record.slice(1)}`)).toThrowError(
      refusal,
    );
  });

  test("has the bytes of docs/store-format.md", () => {
    const record = encodeOutline({
      outputs: new Map([[makeOutputName("out"), {}]]),
      inputDrvs: new Map(),
      allowSubstitutes: true,
    });
    expect(Buffer.from(record).toString("hex")).toBe("0101" + "01036f75740000" + "00");
  });
});
