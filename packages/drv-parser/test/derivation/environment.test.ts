import { describe, expect, test } from "vitest";
import { bytesOf, Environment, textOf } from "../../src/index.js";

const from = (...entries: readonly (readonly [string, string])[]) =>
  Environment.from(entries.map(([name, value]) => [bytesOf(name), bytesOf(value)] as const));
const textsOf = (env: Environment) =>
  [...env.entries()].map(([name, value]) => [textOf(name), textOf(value)]);

describe("Environment", () => {
  test("holds entries in byte order, whatever order they came in", () => {
    const env = from(["é", "1"], ["ab", "2"], ["", "3"], ["a", "4"], ["a-b", "5"], ["Z", "6"]);
    expect(textsOf(env).map(([name]) => name)).toEqual(["", "Z", "a", "a-b", "ab", "é"]);
    expect(env.size).toBe(6);
  });

  test("keeps the last value of a repeated name, sorted or not", () => {
    expect(textsOf(from(["a", "1"], ["a", "2"]))).toEqual([["a", "2"]]);
    expect(textsOf(from(["b", "1"], ["a", "2"], ["b", "3"], ["a", "4"]))).toEqual([
      ["a", "4"],
      ["b", "3"],
    ]);
  });

  test("finds names given as text or as bytes", () => {
    const env = from(["a", "1"], ["b", ""], ["é", "3"]);
    expect(["a", "b", "c", "é", ""].map((name) => env.getText(name))).toEqual([
      "1",
      "",
      undefined,
      "3",
      undefined,
    ]);
    expect(["a", "b", "c"].map((name) => env.has(name))).toEqual([true, true, false]);
    expect(env.get(bytesOf("é"))).toEqual(bytesOf("3"));
  });

  test("tells names apart that are no text", () => {
    const env = Environment.from([
      [Uint8Array.of(0xff), bytesOf("1")],
      [Uint8Array.of(0xfe), bytesOf("2")],
    ]);
    expect(env.getText(Uint8Array.of(0xfe))).toBe("2");
    expect(env.getText(Uint8Array.of(0xff))).toBe("1");
    expect(env.has("\ufffd")).toBe(false);
  });

  test("refuses a value that is no text as text", () => {
    const env = Environment.from([[bytesOf("a"), Uint8Array.of(0xff)]]);
    expect(() => env.getText("a")).toThrow(expect.objectContaining({ code: "ERR_NOT_UTF8" }));
    expect(env.get("a")).toEqual(Uint8Array.of(0xff));
  });

  test.each([
    { name: "before all", key: "A" },
    { name: "between", key: "ab" },
    { name: "behind all", key: "z" },
    { name: "in place of another", key: "b" },
  ])("gives a copy with a variable $name", ({ key }) => {
    const env = from(["a", "1"], ["b", "2"]);
    const copy = env.with(key, bytesOf("new"));
    expect(textsOf(copy)).toEqual(textsOf(from(["a", "1"], ["b", "2"], [key, "new"])));
    expect(textsOf(env)).toEqual([
      ["a", "1"],
      ["b", "2"],
    ]);
  });

  test("is empty when made of nothing", () => {
    expect([Environment.from([]).size, Environment.from([]).get("a")]).toEqual([0, undefined]);
    expect(textsOf(Environment.from([]).with("a", bytesOf("1")))).toEqual([["a", "1"]]);
  });
});
