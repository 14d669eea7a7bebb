import { bytesOf } from "@drvkit/drv-parser";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lines } from "../../src/log/lines.js";
import { Tail } from "../../src/log/tail.js";

const isLong = process.env["DRVKIT_TEST_LONG"] === "1";
const endlessMegabytes = isLong ? 100 : 10;
const maxLineBytes = 1024 * 1024;

/** What the lines are held against: the rule, one byte at a time. */
function byteByByte(bytes: Uint8Array): readonly string[] {
  const lines: string[] = [];
  let line: number[] = [];
  let returned = false;
  const flush = () => {
    lines.push(new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(line)));
    line = [];
    returned = false;
  };
  for (const byte of bytes)
    if (byte === 0x0a) flush();
    else if (byte === 0x0d) returned = true;
    else {
      if (returned) line = [];
      returned = false;
      if (line.length === maxLineBytes) flush();
      line.push(byte);
    }
  if (line.length > 0) flush();
  return lines;
}

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
    const lines = linesOf(new Uint8Array(5 * maxLineBytes).fill(0x61));
    expect(lines.map(({ length }) => length)).toEqual(Array(5).fill(maxLineBytes));
  });

  test(`may have ${endlessMegabytes} MB and no end`, () => {
    let [count, characters] = [0, 0];
    const reader = new Lines((line) => {
      count += 1;
      characters += line.length;
    });
    const chunk = new Uint8Array(250_000).fill(0x78);
    for (let written = 0; written < endlessMegabytes; written += 0.25) reader.write(chunk);
    reader.end();
    expect([count, characters]).toEqual([
      Math.ceil((endlessMegabytes * 1_000_000) / maxLineBytes),
      endlessMegabytes * 1_000_000,
    ]);
  });

  test.each(
    [-1, 0, 1].flatMap((more) => ["\n", "\r\n", "\rb\n", "b\rc\n", "é\n", ""].map((end) => ({ more, end }))),
  )("are cut where they always were: $more bytes more than fit, then $end", ({ more, end }) => {
    const bytes = Buffer.concat([Buffer.alloc(maxLineBytes + more, 0x61), bytesOf(`${end}next\n`)]);
    const expected = byteByByte(bytes);
    expect(linesOf(bytes)).toEqual(expected);
    expect(linesOf(bytes.subarray(0, 70_000), bytes.subarray(70_000))).toEqual(expected);
    expect(linesOf(bytesOf("short\n"), bytes)).toEqual(["short", ...expected]);
  });

  test("are those that one byte after another gives, whatever the bytes and however they are cut", () => {
    const piece = fc.oneof(
      {
        weight: 4,
        arbitrary: fc
          .constantFrom("\n", "\r", "\r\n", "\0", "a", "line", "é", "日本", "😀", "\uFEFF")
          .map(bytesOf),
      },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom([0xff], [0xc3], [0xe6, 0x97], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0x80])
          .map((bytes) => Uint8Array.from(bytes)),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }) },
      {
        weight: 1,
        arbitrary: fc.integer({ min: 1, max: 40_000 }).map((length) => new Uint8Array(length).fill(0x61)),
      },
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 60 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (pieces, cuts) => {
          const bytes = Buffer.concat(pieces);
          const borders = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].sort(
            (a, b) => a - b,
          );
          const chunks = borders.map((border, n) => bytes.subarray(border, borders[n + 1] ?? bytes.length));
          expect(linesOf(...chunks)).toEqual(byteByByte(bytes));
        },
      ),
      { numRuns: isLong ? 20_000 : 300 },
    );
  });
});

describe("a tail", () => {
  test("keeps the last lines", () => {
    const [none, two] = [new Tail(0), new Tail(2)];
    for (const line of ["a", "b", "c"]) for (const tail of [none, two]) tail.add(line);
    expect([none.lines(), two.lines()]).toEqual([[], ["b", "c"]]);
  });

  test("keeps them in their order, however many came", () => {
    fc.assert(
      fc.property(fc.nat(30), fc.integer({ min: 1, max: 8 }), (count, limit) => {
        const lines = Array.from({ length: count }, (_, n) => `${n}`);
        const tail = new Tail(limit);
        for (const line of lines) tail.add(line);
        expect(tail.lines()).toEqual(lines.slice(-limit));
      }),
    );
  });
});
