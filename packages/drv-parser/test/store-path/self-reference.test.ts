import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytesOf,
  canonicalPath,
  hashBytes,
  hashModuloSelf,
  replaceHashPart,
  textOf,
} from "../../src/index.js";

const [one, two] = [`${"1".repeat(31)}a`, `${"2".repeat(31)}b`];

describe("hashModuloSelf", () => {
  test("is the plain hash where nothing refers to itself", () => {
    const bytes = bytesOf(`x${two}y`);
    expect(hashModuloSelf("sha256", bytes, one)).toEqual({ hash: hashBytes("sha256", bytes), offsets: [] });
  });

  test("is the hash with zeros and offsets", () => {
    const bytes = bytesOf(`ab${one}c${one}${one}`);
    const zeros = "\0".repeat(32);
    expect(hashModuloSelf("sha256", bytes, one)).toEqual({
      hash: hashBytes("sha256", bytesOf(`ab${zeros}c${zeros}${zeros}|2|35|67`)),
      offsets: [2, 35, 67],
    });
  });

  test("does not depend on what the object calls itself", () => {
    const part = fc.string({ unit: fc.constantFrom("0", "1"), minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant("@"), fc.string({ maxLength: 5 }))),
        part,
        part,
        (parts, a, b) => {
          const named = (name: string) => bytesOf(parts.map((each) => (each === "@" ? name : each)).join(""));
          // A text that has the other name in it by chance says something else.
          fc.pre(!textOf(named(two)).includes(a) && !textOf(named(two)).includes(b));
          const [left, right] = [named(a), named(b)];
          fc.pre(
            hashModuloSelf("sha256", left, a).offsets.length === parts.filter((each) => each === "@").length,
          );
          fc.pre(
            hashModuloSelf("sha256", right, b).offsets.length === parts.filter((each) => each === "@").length,
          );
          expect(hashModuloSelf("sha256", left, a)).toEqual(hashModuloSelf("sha256", right, b));
          expect(replaceHashPart(left, a, b)).toEqual(right);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("does not count what overlaps", () => {
    const ones = "1".repeat(32);
    expect(hashModuloSelf("sha256", bytesOf("1".repeat(70)), ones).offsets).toEqual([0, 32]);
  });
});

test.each([
  ["/nix/store//x", "/nix/store/x"],
  ["/nix/./store/../store/x/", "/nix/store/x"],
  ["/../..", "/"],
  ["", "/"],
  ["/a/..b/...", "/a/..b/..."],
])("the canonical path of '%s' is '%s'", (text, path) => {
  expect(canonicalPath(text)).toBe(path);
});
