import { defaultStoreDir, type HashAlgorithm, hashBytes, makeStorePath } from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeDeriverUnchecked,
  decodeRecordUnchecked,
  decodeReferencesUnchecked,
  encodeRecord,
} from "../src/record.js";
import { inputOf } from "./support/objects.js";

const hashPart = fc.string({
  unit: fc.constantFrom(..."0123456789abcdfghijklmnpqrsvwxyz"),
  minLength: 32,
  maxLength: 32,
});
const name = fc.string({ unit: fc.constantFrom(..."azAZ09+-_?="), minLength: 1, maxLength: 211 });
const path = fc
  .tuple(hashPart, name)
  .map(([hash, text]) => makeStorePath(defaultStoreDir, `${hash}-${text}`));
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const ca = fc
  .tuple(
    fc.constantFrom("nar", "flat"),
    fc.constantFrom<HashAlgorithm>("md5", "sha1", "sha256", "sha512"),
    digest,
  )
  .map(([method, algorithm, bytes]) => ({ method, hash: hashBytes(algorithm, bytes) }) as const);

const info: fc.Arbitrary<PathInfo> = fc
  .record({
    path,
    digest,
    narSizeBytes: fc.maxSafeNat(),
    others: fc.array(path, { maxLength: 20 }),
    self: fc.boolean(),
    deriver: fc.option(path, { nil: undefined }),
    registrationTimeSeconds: fc.maxSafeNat(),
    ultimate: fc.boolean(),
    signatures: fc.uniqueArray(fc.string({ unit: "grapheme" }), { maxLength: 4 }),
    ca: fc.option(ca, { nil: undefined }),
    builderSaw: fc.constantFrom("hostTools", "machine", undefined),
  })
  .map(({ digest, others, self, deriver, ca, builderSaw, ...rest }) => ({
    ...rest,
    narHash: { algorithm: "sha256", digest },
    references: new Set(self ? [...others, rest.path] : others),
    ...(deriver !== undefined && { deriver }),
    ...(ca !== undefined && { ca }),
    ...(builderSaw !== undefined && { builderSaw }),
  }));

/** Sets compare by order in JSON; signatures are a set too. */
function normal(value: PathInfo): unknown {
  return {
    ...value,
    narHash: [...value.narHash.digest],
    ca: value.ca && { ...value.ca, hash: [value.ca.hash.algorithm, ...value.ca.hash.digest] },
    references: [...value.references].sort(),
    signatures: [...value.signatures].sort(),
  };
}

describe("record", () => {
  test("decoding gives back what was encoded", () => {
    fc.assert(
      fc.property(info, (value) => {
        const decoded = decodeRecordUnchecked(defaultStoreDir, value.path, encodeRecord(value));
        expect(normal(decoded)).toEqual(normal(value));
      }),
    );
  });

  test("references and deriver alone equal those of the whole record", () => {
    fc.assert(
      fc.property(info, (value) => {
        const record = encodeRecord(value);
        const references = decodeReferencesUnchecked(defaultStoreDir, value.path, record);
        expect(references).toEqual([...value.references].sort());
        expect(decodeDeriverUnchecked(defaultStoreDir, value.path, record)).toBe(value.deriver);
      }),
    );
  });

  test("equal infos have equal records, whatever the order of their sets", () => {
    fc.assert(
      fc.property(info, (value) => {
        const reversed = {
          ...value,
          references: new Set([...value.references].reverse()),
          signatures: [...value.signatures].reverse(),
        };
        expect(Buffer.from(encodeRecord(reversed)).equals(encodeRecord(value))).toBe(true);
      }),
    );
  });

  test("a record that ends early is refused, wherever it ends", () => {
    const value = { ...inputOf("a", ["b", "c"]), signatures: ["k:AA=="], deriver: inputOf("a.drv").path };
    const record = encodeRecord(value);
    for (let length = 0; length < record.byteLength; length++) {
      const cut = record.subarray(0, length);
      expect(() => decodeRecordUnchecked(defaultStoreDir, value.path, cut)).toThrowError(
        expect.objectContaining({ code: "ERR_STORE_FORMAT", path: value.path }),
      );
    }
  });

  test("a record of another version is refused", () => {
    const record = encodeRecord(inputOf("a"));
    record[0] = 2;
    expect(() => decodeReferencesUnchecked(defaultStoreDir, inputOf("a").path, record)).toThrowError(
      expect.objectContaining({
        code: "ERR_STORE_FORMAT",
        message: expect.stringContaining("version byte 2"),
      }),
    );
  });

  test("the bytes are those of docs/store-format.md", () => {
    const record = encodeRecord({ ...inputOf("a", ["a"]), ultimate: true, registrationTimeSeconds: 300 });
    expect(Buffer.from(record).toString("hex")).toBe(
      `0109${Buffer.from(inputOf("a").narHash.digest).toString("hex")}71ac020000`,
    );
  });
});
