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
import { decodeOutputPathsUnchecked, encodeOutline, OutlineDecoder } from "../src/outline-record.js";
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
  fc.record({ name: outputName }),
  fc.record({ name: outputName, path }),
  fc.record({ name: outputName, path, ca }),
);
const names = fc.uniqueArray(outputName, { maxLength: 3 }).map((each) => new Set(each));
const outline: fc.Arbitrary<DerivationOutline> = fc.record({
  outputs: fc.array(output, { maxLength: 5 }),
  inputs: fc.array(fc.record({ drvPath: path, outputs: names }), { maxLength: 20 }),
  allowSubstitutes: fc.constantFrom(true, false, undefined),
});

function decode(record: string): DerivationOutline {
  return new OutlineDecoder(defaultStoreDir).decodeUnchecked(drvPath, record);
}

function latin1(record: Uint8Array): string {
  return Buffer.from(record).toString("latin1");
}

describe("record of an outline", () => {
  test("decoding gives back what was encoded", () => {
    fc.assert(
      fc.property(outline, (value) => {
        const decoded = decode(latin1(encodeOutline(value)));
        const outputs = decoded.outputs.map((each) => ({ ...each }));
        expect({ ...decoded, outputs }).toEqual(value);
      }),
    );
  });

  test("the paths of outputs alone equal those of the whole record", () => {
    fc.assert(
      fc.property(outline, (value) => {
        const stated = new Map(value.outputs.flatMap((each) => (each.path ? [[each.name, each.path]] : [])));
        const decoded = decodeOutputPathsUnchecked(defaultStoreDir, drvPath, latin1(encodeOutline(value)));
        expect(decoded).toEqual(stated);
      }),
    );
  });

  test("is refused when it ends early, wherever that is, and when it is of another version", () => {
    const value: DerivationOutline = {
      outputs: [{ name: makeOutputName("out"), path: pathOf("x") }],
      inputs: [{ drvPath: pathOf("y.drv"), outputs: new Set([makeOutputName("dev")]) }],
      allowSubstitutes: true,
    };
    const record = latin1(encodeOutline(value));
    const refusal = expect.objectContaining({ code: "ERR_STORE_FORMAT", path: drvPath });
    for (let length = 0; length < record.length; length += 1)
      expect(() => decode(record.slice(0, length))).toThrowError(refusal);
    expect(() => decode(`\u0002${record.slice(1)}`)).toThrowError(refusal);
  });

  test("has the bytes of docs/store-format.md", () => {
    const record = encodeOutline({
      outputs: [{ name: makeOutputName("out") }],
      inputs: [],
      allowSubstitutes: true,
    });
    expect(Buffer.from(record).toString("hex")).toBe("0101" + "01036f75740000" + "00");
  });
});
