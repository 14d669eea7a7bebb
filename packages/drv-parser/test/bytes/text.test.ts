import { describe, expect, test } from "vitest";
import { bytesOf, compareBytes, compareText, textOf } from "../../src/index.js";

describe("textOf", () => {
  test.each([
    { name: "a byte that begins nothing", bytes: [0xff] },
    { name: "half a character", bytes: [0xc3] },
    { name: "half of a surrogate pair", bytes: [0xed, 0xa0, 0x80] },
    { name: "a character in too many bytes", bytes: [0xc0, 0xaf] },
  ])("refuses $name", ({ bytes }) => {
    expect(() => textOf(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: "ERR_NOT_UTF8", hint: "read the value as bytes" }),
    );
  });

  test("keeps a byte order mark and a zero", () => {
    expect(textOf(Uint8Array.of(0xef, 0xbb, 0xbf, 0))).toBe("\ufeff\0");
  });
});

describe("order", () => {
  // Of names in the order that the specification gives.
  const sorted = ["", "Z", "_", "a", "a-b", "a.b", "ab", "~", "é", "\uffff", "𝄞"];

  test("is that of bytes, a shorter prefix first", () => {
    expect([...sorted].reverse().sort(compareText)).toEqual(sorted);
    expect(sorted.map(bytesOf).reverse().sort(compareBytes).map(textOf)).toEqual(sorted);
  });

  test("is not that of JavaScript beyond the basic plane", () => {
    expect("\uffff" < "𝄞").toBe(false);
    expect(compareText("\uffff", "𝄞")).toBeLessThan(0);
  });
});
