import { describe, expect, test } from "vitest";
import { NarParser, narTreeEvents, parseNar, parseNarStream, printNar, readNarTree } from "../src/index.js";
import {
  archiveOf,
  concat,
  directory,
  file,
  goldenArchives,
  joined,
  pieces,
  strings,
} from "./support/archives.js";

describe.each(goldenArchives)("the archive '$name'", ({ bytes }) => {
  test("prints to the bytes it was read from", () => {
    expect(concat(printNar(parseNar(bytes)))).toEqual(bytes);
    expect(concat(printNar(narTreeEvents(readNarTree(bytes))))).toEqual(bytes);
  });

  test("gives the same events in whatever pieces it comes", async () => {
    const whole = joined(parseNar(bytes));
    for (const length of [1, 2, 7, 8, 9, 64, bytes.length]) {
      expect(joined(parseNar(pieces(bytes, length)))).toEqual(whole);
      const streamed = [];
      for await (const event of parseNarStream(pieces(bytes, length))) streamed.push(event);
      expect(joined(streamed)).toEqual(whole);
    }
  });

  test("is refused wherever it is cut", () => {
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => [...parseNar(bytes.subarray(0, length))]).toThrow(
        expect.objectContaining({ code: "ERR_NAR_TRUNCATED", offset: length, found: "the end" }),
      );
  });

  test("tells where contents are", () => {
    for (const event of parseNar(bytes))
      if (event.type === "regular") {
        const { offset, sizeBytes } = event;
        const [next] = contentsBehind(bytes, offset);
        if (sizeBytes > 0) expect(bytes.subarray(offset, offset + sizeBytes)).toEqual(next);
      }
  });
});

function contentsBehind(bytes: Uint8Array, offset: number): readonly Uint8Array[] {
  const events = [...parseNar(bytes)];
  const at = events.findIndex((event) => event.type === "regular" && event.offset === offset);
  const next = events[at + 1];
  return next?.type === "contents" ? [next.bytes] : [];
}

const sized = (length: bigint) => new Uint8Array(new BigUint64Array([length]).buffer);
const join = (...parts: readonly Uint8Array[]) => concat(parts);
const head = strings("nix-archive-1", "(", "type");
const entry = (name: string, ...rest: readonly string[]) => [
  "entry",
  "(",
  "name",
  name,
  "node",
  "(",
  "type",
  ...(rest.length === 0 ? ["regular", "contents", ""] : rest),
  ")",
  ")",
];

test.each<{ name: string; bytes: Uint8Array; code: string; message: string }>([
  {
    name: "something else",
    bytes: new TextEncoder().encode("<!DOCTYPE html><html lang=en>"),
    code: "ERR_NAR_SYNTAX",
    message:
      "bad archive: input doesn't look like a Nix archive: expected 'nix-archive-1' at offset 0, found a string of 2^53 bytes or more",
  },
  {
    name: "an unknown type",
    bytes: archiveOf("type", "fifo"),
    code: "ERR_NAR_SYNTAX",
    message: "bad archive: expected 'regular' or 'symlink' or 'directory' at offset 56, found 'fifo'",
  },
  {
    name: "a word that is too long",
    bytes: join(head, sized(33n)),
    code: "ERR_NAR_SYNTAX",
    message:
      "bad archive: expected 'regular' or 'symlink' or 'directory' at offset 56, found a string of 33 bytes",
  },
  {
    name: "a length that wraps",
    bytes: join(head, strings("regular", "contents"), sized(2n ** 64n - 1n)),
    code: "ERR_NAR_LIMIT",
    message:
      "bad archive: expected at most 9007199254740903 bytes for the contents at offset 88, found 2^53 bytes or more",
  },
  {
    name: "padding with something in it",
    bytes: join(head, strings("regular", "contents"), sized(1n), Uint8Array.of(1, 0, 0, 7, 0, 0, 0, 0)),
    code: "ERR_NAR_SYNTAX",
    message: "non-zero padding: expected a zero byte at offset 99, found byte 7",
  },
  {
    name: "a word with something in its padding",
    bytes: join(head, sized(7n), Uint8Array.of(...Buffer.from("regular"), 1)),
    code: "ERR_NAR_SYNTAX",
    message: "non-zero padding: expected a zero byte at offset 71, found byte 1",
  },
  {
    name: "an executable marker with a value",
    bytes: archiveOf("type", "regular", "executable", "yes", "contents", ""),
    code: "ERR_NAR_SYNTAX",
    message: "bad archive: executable marker has non-empty value: expected '' at offset 96, found 'yes'",
  },
  {
    name: "names out of order",
    bytes: archiveOf("type", "directory", ...entry("b"), ...entry("a")),
    code: "ERR_NAR_ORDER",
    message: "NAR directory is not sorted: expected a name behind 'b' at offset 312, found 'a'",
  },
  {
    name: "a name twice",
    bytes: archiveOf("type", "directory", ...entry("a"), ...entry("a")),
    code: "ERR_NAR_ORDER",
    message: "NAR directory is not sorted: expected a name behind 'a' at offset 312, found 'a'",
  },
  {
    name: "a name that leads elsewhere",
    bytes: archiveOf("type", "directory", ...entry("../etc")),
    code: "ERR_NAR_NAME",
    message:
      "NAR contains invalid file name '../etc': expected a name without '/' and NUL, not empty, '.' or '..' at offset 128, found '../etc'",
  },
  {
    name: "a name that is too long",
    bytes: archiveOf("type", "directory", ...entry("n".repeat(256))),
    code: "ERR_NAR_LIMIT",
    message: "bad archive: expected at most 255 bytes for a name at offset 128, found 256 bytes",
  },
  {
    name: "a link to nothing",
    bytes: archiveOf("type", "symlink", "target", ""),
    code: "ERR_NAR_NAME",
    message:
      "symbolic link with an invalid target: expected a target that is not empty and has no NUL at offset 88, found ''",
  },
  {
    name: "a target that is too long",
    bytes: archiveOf("type", "symlink", "target", "t".repeat(4096)),
    code: "ERR_NAR_LIMIT",
    message: "bad archive: expected at most 4095 bytes for a target at offset 88, found 4096 bytes",
  },
  {
    name: "bytes behind it",
    bytes: join(archiveOf("type", "directory"), Uint8Array.of(0, 65)),
    code: "ERR_NAR_TRAILING",
    message: "bytes after the archive: expected the end at offset 96, found '\\x00A'",
  },
])("refuses $name", ({ bytes, code, message }) => {
  for (const length of [1, bytes.length])
    expect(() => [...parseNar(pieces(bytes, length))]).toThrow(
      expect.objectContaining(
        // What follows is quoted as far as it has come.
        length === 1 && code === "ERR_NAR_TRAILING" ? { code } : { code, message, name: "NarError" },
      ),
    );
});

describe("limits", () => {
  const nested = (depth: number) => {
    let tree = file("x");
    for (let level = 1; level < depth; level += 1) tree = directory({ d: tree });
    return concat(printNar(narTreeEvents(tree), { depth }));
  };

  test("64 levels are taken, 65 refused", () => {
    expect([...parseNar(nested(64))]).toHaveLength(63 + 2 + 63);
    expect(() => [...parseNar(nested(65))]).toThrow(
      expect.objectContaining({ code: "ERR_NAR_LIMIT", expected: "at most 64 levels", found: "65" }),
    );
    expect(() => [...printNar(parseNar(nested(65), { depth: 65 }))]).toThrow(
      expect.objectContaining({ code: "ERR_NAR_LIMIT" }),
    );
  });

  test("a hundred thousand levels need no deep call stack", () => {
    const depth = 100_000;
    const bytes = nested(depth);
    expect([...parseNar(bytes, { depth })]).toHaveLength(2 * depth);
    expect(readNarTree(bytes, { depth }).type).toBe("directory");
  });

  test("sizes of files and of the archive can be limited", () => {
    const bytes = concat(printNar(narTreeEvents(directory({ a: file("x".repeat(100)), b: file("y") }))));
    expect(() => [...parseNar(bytes, { fileBytes: 99 })]).toThrow(
      expect.objectContaining({ code: "ERR_NAR_LIMIT", expected: "at most 99 bytes for the contents" }),
    );
    expect(() => [...parseNar(bytes, { archiveBytes: bytes.length - 1 })]).toThrow(
      expect.objectContaining({ code: "ERR_NAR_LIMIT" }),
    );
    expect([...parseNar(bytes, { fileBytes: 100, archiveBytes: bytes.length })]).toHaveLength(6);
  });

  test("nothing is held back for a declared length", () => {
    const parser = new NarParser();
    parser.push(join(head, strings("regular", "contents"), sized(2n ** 52n)));
    expect(parser.next()).toMatchObject({ type: "regular", sizeBytes: 2 ** 52 });
    for (let round = 0; round < 100; round += 1) {
      parser.push(new Uint8Array(65_536));
      expect(parser.next()).toMatchObject({ type: "contents" });
      expect(parser.next()).toBeUndefined();
      expect(parser.rest).toHaveLength(0);
    }
    expect(() => parser.finish()).toThrow(expect.objectContaining({ code: "ERR_NAR_TRUNCATED" }));
  });
});

test("a parser leaves what follows the archive", () => {
  const parser = new NarParser();
  parser.push(join(archiveOf("type", "directory"), Uint8Array.of(1, 2, 3)));
  expect([parser.next(), parser.next(), parser.next()]).toEqual([
    { type: "directory", name: new Uint8Array() },
    { type: "directoryEnd" },
    undefined,
  ]);
  expect(parser).toMatchObject({ ended: true, offset: 96, rest: Uint8Array.of(1, 2, 3) });
});

test("a refusal is repeated, not passed over", () => {
  const parser = new NarParser();
  parser.push(strings("nix-archive-2"));
  for (let round = 0; round < 2; round += 1)
    expect(() => parser.next()).toThrow(expect.objectContaining({ code: "ERR_NAR_SYNTAX", offset: 0 }));
});

test("a reader that stops closes its source, and nothing was read ahead", async () => {
  let [taken, closed] = [0, false];
  async function* source() {
    try {
      for (const piece of pieces(goldenArchives.find(({ name }) => name === "tree")?.bytes ?? head, 64)) {
        taken += 1;
        yield piece;
      }
    } finally {
      closed = true;
    }
  }
  for await (const event of parseNarStream(source())) if (event.type === "directory") break;
  expect({ taken, closed }).toEqual({ taken: 2, closed: true });
});
