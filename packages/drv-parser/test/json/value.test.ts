import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesOf, compareText, type JsonValue, parseJson, printJson } from "../../src/index.js";

const printed = (text: string) => printJson(parseJson(text));

describe("printJson", () => {
  test.each([
    { name: "blanks go", text: ' { "a" : [ 1 ,\t2 ] ,\r\n "b" : { } } ', expected: '{"a":[1,2],"b":{}}' },
    { name: "words stay", text: "[true,false,null]", expected: "[true,false,null]" },
    {
      name: "members stand in byte order at every level",
      text: '{"b":{"z":1,"10":2,"9":3},"a":1,"Z":1}',
      expected: '{"Z":1,"a":1,"b":{"10":2,"9":3,"z":1}}',
    },
    {
      name: "beyond the basic plane, order is that of UTF-8",
      text: '{"\u{1f600}":1,"\uffff":2}',
      expected: '{"\uffff":2,"\u{1f600}":1}',
    },
    {
      name: "of a repeated member the last value counts",
      text: '{"a":1,"b":2,"a":3}',
      expected: '{"a":3,"b":2}',
    },
    {
      name: "no name is special",
      text: '{"__proto__":{"constructor":1}}',
      expected: '{"__proto__":{"constructor":1}}',
    },
    {
      name: "quotes, backslashes and control characters are escaped",
      text: '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001F\\u007f\\u00e9\\ud834\\udd1e"',
      expected: '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u007f\u00e9\u{1d11e}"',
    },
  ])("$name", ({ text, expected }) => {
    expect(printed(text)).toBe(expected);
  });

  test("refuses half a character", () => {
    expect(() => printJson({ type: "string", value: "a\ud834" })).toThrow(
      expect.objectContaining({ code: "ERR_JSON_SYNTAX" }),
    );
  });
});

describe("parseJson", () => {
  test("keeps what JavaScript's own reader loses", () => {
    expect(parseJson('{"2":1.0,"1":12345678901234567890,"__proto__":null}')).toEqual({
      type: "object",
      members: new Map<string, JsonValue>([
        ["2", { type: "number", text: "1.0" }],
        ["1", { type: "number", text: "12345678901234567890" }],
        ["__proto__", { type: "null" }],
      ]),
    });
  });

  test.each([
    { name: "nothing", text: "", offset: 0 },
    { name: "blanks only", text: "  ", offset: 2 },
    { name: "two values", text: "1 2", offset: 2 },
    { name: "a list that is cut", text: "[1,", offset: 3 },
    { name: "a comma before the end of a list", text: "[1,]", offset: 3 },
    { name: "a comma before the end of an object", text: '{"a":1,}', offset: 7 },
    { name: "a missing comma", text: "[1 2]", offset: 3 },
    { name: "a member without a name", text: "{1:2}", offset: 1 },
    { name: "a member without a colon", text: '{"a" 1}', offset: 5 },
    { name: "a leading zero", text: "01", offset: 1 },
    { name: "a plus", text: "+1", offset: 0 },
    { name: "a number that ends in its point", text: "1.", offset: 1 },
    { name: "NaN", text: "NaN", offset: 0 },
    { name: "half a word", text: "tru", offset: 0 },
    { name: "a comment", text: "[1/**/]", offset: 2 },
    { name: "single quotes", text: "'a'", offset: 0 },
    { name: "a string that is cut", text: '"abc', offset: 0 },
    { name: "a string that is cut behind its backslash", text: '"abc\\', offset: 0 },
    { name: "a string with a line end", text: '"a\nb"', offset: 0 },
    { name: "an escape without a meaning", text: '"\\x"', offset: 0 },
    { name: "a short \\u", text: '"\\u12"', offset: 0 },
    { name: "the first half of a character", text: '["\\ud834"]', offset: 1 },
    { name: "the second half of a character", text: '["\\udd1e\\ud834"]', offset: 1 },
    { name: "a no-break space between values", text: "[\u00a01]", offset: 1 },
    { name: "513 lists in each other", text: `${"[".repeat(600)}${"]".repeat(600)}`, offset: 513 },
  ])("refuses $name", ({ text, offset }) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: "ERR_JSON_SYNTAX", offset }));
  });

  test("refuses bytes that are no UTF-8", () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(
      expect.objectContaining({ code: "ERR_NOT_UTF8" }),
    );
  });

  test("takes a string of any length", () => {
    const long = "x\\n\u00e9".repeat(1_500_000);
    expect(parseJson(bytesOf(`"${long}"`))).toEqual({ type: "string", value: long.replaceAll("\\n", "\n") });
  });

  test("takes 512 lists in each other", () => {
    const text = `${"[".repeat(512)}${"]".repeat(512)}`;
    expect(printed(text)).toBe(text);
  });
});

/** Texts that UTF-8 can hold. */
const text = fc.string({ unit: "grapheme" });
const json = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant<JsonValue>({ type: "null" }),
    fc.boolean().map((value): JsonValue => ({ type: "boolean", value })),
    fc
      .bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })
      .map((value): JsonValue => ({ type: "number", text: String(value) })),
    text.map((value): JsonValue => ({ type: "string", value })),
    fc.array(tie("value")).map((items): JsonValue => ({ type: "array", items })),
    fc
      .array(fc.tuple(text, tie("value")))
      .map((entries): JsonValue => ({ type: "object", members: sorted(entries) })),
  ),
})).value;

function sorted(entries: readonly (readonly [string, JsonValue])[]): ReadonlyMap<string, JsonValue> {
  return new Map([...new Map(entries)].sort(([a], [b]) => compareText(a, b)));
}

describe("parseJson and printJson", () => {
  test("what is printed reads as what was printed", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(parseJson(bytesOf(printJson(value)))).toEqual(value);
      }),
    );
  });

  test("JavaScript's own reader reads the same", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, stringUnit: "grapheme" }), (value) => {
        const mine: unknown = JSON.parse(printed(JSON.stringify(value)));
        expect(mine).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
