import { bytesOf } from "@drvkit/drv-parser";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lines } from "../../src/log/lines.js";
import { Tail } from "../../src/log/tail.js";

function linesOf(...chunks: (string | Uint8Array)[]): readonly string[] {
  const lines: string[] = [];
  const reader = new Lines((line) => lines.push(line));
  for (const chunk of chunks) reader.write(typeof chunk === "string" ? bytesOf(chunk) : chunk);
  reader.end();
  return lines;
}

describe("lines", () => {
  test.each([
    { name: "end at a newline", text: "a\nb\n", lines: ["a", "b"] },
    { name: "may be empty", text: "\n\na\n", lines: ["", "", "a"] },
    { name: "may lack the last newline", text: "a\nb", lines: ["a", "b"] },
    { name: "may end as on a terminal", text: "a\r\nb\r\n", lines: ["a", "b"] },
    { name: "start over at a carriage return", text: " 50%\r100%\n", lines: ["100%"] },
    { name: "are cut when they got shorter", text: "long text\rab\n", lines: ["ab"] },
    { name: "keep what a carriage return at their end leaves", text: "a\r\r\nb\n", lines: ["a", "b"] },
  ])("$name", ({ text, lines }) => {
    expect(linesOf(text)).toEqual(lines);
  });

  test("do not depend on how the bytes are cut", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "é", "\r", "\n"), maxLength: 40 });
    fc.assert(
      fc.property(text, fc.nat(60), (whole, at) => {
        const bytes = bytesOf(whole);
        expect(linesOf(bytes.slice(0, at), bytes.slice(at))).toEqual(linesOf(bytes));
      }),
    );
  });

  test("with bytes that are no text have replacement characters", () => {
    expect(linesOf(Uint8Array.of(0x61, 0xff, 0x0a))).toEqual(["a\uFFFD"]);
  });

  test("without an end are cut, so that memory is bounded", () => {
    const lines = linesOf(new Uint8Array(5 * 1024 * 1024).fill(0x61));
    expect(lines.map(({ length }) => length)).toEqual(Array(5).fill(1024 * 1024));
  });
});

test("a tail keeps the last lines", () => {
  const [none, two] = [new Tail(0), new Tail(2)];
  for (const line of ["a", "b", "c"]) for (const tail of [none, two]) tail.add(line);
  expect([none.lines(), two.lines()]).toEqual([[], ["b", "c"]]);
});
