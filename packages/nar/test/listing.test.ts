import { describe, expect, test } from "vitest";
import {
  findInListing,
  listNar,
  listNarStream,
  narTreeEvents,
  parseNarListing,
  printNar,
  printNarListing,
} from "../src/index.js";
import { concat, directory, file, goldenArchives, link, pieces } from "./support/archives.js";

test.each(goldenArchives.filter(({ listing }) => listing !== undefined))(
  "the listing of '$name' is Nix's",
  async ({ bytes, listing = "" }) => {
    expect(printNarListing(listNar(bytes))).toBe(listing);
    expect(printNarListing(await listNarStream(pieces(bytes, 100)))).toBe(listing);
    expect(printNarListing(parseNarListing(listing))).toBe(listing);
    expect(parseNarListing(listing)).toEqual(listNar(bytes));
  },
);

test("names that are no text are refused", () => {
  const bytes = goldenArchives.find(({ name }) => name === "bytes")?.bytes ?? new Uint8Array();
  expect(() => listNar(bytes)).toThrow(expect.objectContaining({ code: "ERR_NAR_NOT_UTF8" }));
});

describe("findInListing", () => {
  const listing = listNar(
    concat(
      printNar(narTreeEvents(directory({ a: directory({ b: file("x") }), c: link("a"), __proto: file("") }))),
    ),
  );

  test.each([
    ["", "directory"],
    ["/", "directory"],
    ["a", "directory"],
    ["a/b", "regular"],
    ["/a//b/", "regular"],
    ["c", "symlink"],
    ["c/b", undefined],
    ["a/b/c", undefined],
    ["nothing", undefined],
    ["constructor", undefined],
    ["__proto__", undefined],
  ])("'%s' is %s", (path, type) => {
    expect(findInListing(listing, path)?.type).toBe(type);
  });
});

test.each([
  ["no JSON", "{", "the listing is no JSON"],
  ["an array", "[]", "expected an object as the listing, found []"],
  ["another version", '{"version":2,"root":{}}', "expected version 1 as the listing, found 2"],
  ["no root", '{"version":1}', "expected an object as root, found nothing"],
  [
    "an unknown type",
    '{"version":1,"root":{"type":"fifo"}}',
    'expected regular, symlink or directory as root.type, found "fifo"',
  ],
  [
    "a size that is none",
    '{"version":1,"root":{"type":"regular","size":-1,"narOffset":96}}',
    "expected a number of bytes as root.size, found -1",
  ],
  [
    "a file without a place",
    '{"version":1,"root":{"type":"directory","entries":{"a":{"type":"regular","size":1}}}}',
    "expected a number of bytes as root.entries.a.narOffset, found nothing",
  ],
  [
    "executable as text",
    '{"version":1,"root":{"type":"regular","size":1,"narOffset":96,"executable":"yes"}}',
    'expected true or false as root.executable, found "yes"',
  ],
  [
    "a link to nothing",
    '{"version":1,"root":{"type":"symlink","target":""}}',
    'expected a target as root.target, found ""',
  ],
  [
    "a name that leads elsewhere",
    '{"version":1,"root":{"type":"directory","entries":{"..":{"type":"directory","entries":{}}}}}',
    "expected a name without '/' and NUL, not empty, '.' or '..' as root.entries, found '..'",
  ],
])("refuses a listing with %s", (_name, text, message) => {
  expect(() => parseNarListing(text)).toThrow(expect.objectContaining({ code: "ERR_NAR_LISTING", message }));
});

test("refuses a listing as deep as no archive", () => {
  const nested = (depth: number) =>
    `{"version":1,"root":${'{"type":"directory","entries":{"d":'.repeat(depth - 1)}{"type":"directory","entries":{}}${"}}".repeat(depth - 1)}}`;
  expect(parseNarListing(nested(64)).type).toBe("directory");
  expect(() => parseNarListing(nested(65))).toThrow(expect.objectContaining({ code: "ERR_NAR_LISTING" }));
  expect(() => parseNarListing(nested(50_000))).toThrow(expect.objectContaining({ code: "ERR_NAR_LISTING" }));
});
