import { bytesOf } from "@drvkit/drv-parser";
import fc from "fast-check";
import { expect, test } from "vitest";
import { rewriteBytes } from "../../src/plan/rewrites.js";

test("replaces as strings do, whatever the bytes around", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "é"), minLength: 1, maxLength: 4 });
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "é"), maxLength: 60 });
  fc.assert(
    fc.property(text, word, word, (subject, from, to) => {
      const rewritten = rewriteBytes(bytesOf(subject), [[bytesOf(from), bytesOf(to)]]);
      expect(rewritten).toEqual(bytesOf(subject.replaceAll(from, to)));
    }),
  );
});

test("applies one pair after the other", () => {
  const pairs = [
    ["a", "b"],
    ["b", "c"],
  ].map(([from = "", to = ""]) => [bytesOf(from), bytesOf(to)] as const);
  expect(rewriteBytes(bytesOf("ab"), pairs)).toEqual(bytesOf("cc"));
});
