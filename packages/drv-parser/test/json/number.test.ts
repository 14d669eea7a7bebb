import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJson, printJson } from "../../src/index.js";

interface Case {
  readonly written: string;
  readonly printed: string;
}

/** Numbers as they stood in `__json` and as Nix 2.8.0 put them into `.attrs.json`. */
const cases: readonly Case[] = JSON.parse(
  readFileSync(new URL("../../testdata/numbers.json", import.meta.url), "utf8"),
);
const printed = (text: string) => printJson(parseJson(text));

describe("numbers", () => {
  test.each(cases)("$written is printed as Nix prints it", ({ written, printed: expected }) => {
    expect(printed(written)).toBe(expected);
  });

  test("the table has numbers whose digits are not the shortest", () => {
    const count = cases.filter(({ written, printed: text }) => {
      const shortest = Number(text).toExponential().split("e")[0] ?? "";
      return Number(written) !== 0 && digitsOf(text).length > digitsOf(shortest).length;
    }).length;
    expect(count).toBeGreaterThan(50);
  });

  test.each([
    { written: "9007199254740993", name: "an integer that no double holds" },
    { written: "18446744073709551615", name: "the greatest unsigned integer" },
    { written: "-9223372036854775808", name: "the least signed integer" },
    { written: "0", name: "zero" },
  ])("$name stays as it is", ({ written }) => {
    expect(printed(written)).toBe(written);
  });

  test("minus zero loses its sign only as an integer", () => {
    expect([printed("-0"), printed("-0.0"), printed("-0e1")]).toEqual(["0", "-0.0", "-0.0"]);
  });

  test.each(["1e309", "-1e309", "9".repeat(310)])("refuses %s, which overflows", (text) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: "ERR_JSON_SYNTAX", offset: 0 }));
    expect(() => printJson({ type: "number", text })).toThrow(
      expect.objectContaining({ code: "ERR_JSON_SYNTAX" }),
    );
  });

  test("every double reads back as itself", () => {
    const doubles = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(doubles, (value) => {
        // As text a number without a fraction would be an integer.
        const text = Number.isInteger(value) ? value.toExponential() : String(value);
        const back = printed(Object.is(value, -0) ? "-0.0" : text);
        expect(Number(back)).toBe(value);
        expect(back).toMatch(/^-?(?:0|[1-9]\d*)(?:\.\d+|\.?\d*e[+-]\d{2,3})$/u);
      }),
      { numRuns: 2000 },
    );
  });
});

function digitsOf(text: string): string {
  return text
    .replace(/e.*$/u, "")
    .replace(/[.-]/gu, "")
    .replace(/^0+|0+$/gu, "");
}
