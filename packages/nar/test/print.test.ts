import { expect, test } from "vitest";
import { bytesOf } from "../src/bytes.js";
import { type NarSourceEvent, parseNar, parseNarStream, printNar, printNarStream } from "../src/index.js";
import { collect, concat, goldenArchives } from "./support/archives.js";

const root = new Uint8Array();
const at = (name: string) => bytesOf(name);
const regular = (name: Uint8Array, sizeBytes: number): NarSourceEvent => ({
  type: "regular",
  name,
  executable: false,
  sizeBytes,
});
const contents = (text: string): NarSourceEvent => ({ type: "contents", bytes: bytesOf(text) });
const open = (name: Uint8Array): NarSourceEvent => ({ type: "directory", name });
const end: NarSourceEvent = { type: "directoryEnd" };

test.each<{ name: string; events: readonly NarSourceEvent[]; code: string; message: string }>([
  {
    name: "nothing",
    events: [],
    code: "ERR_NAR_EVENTS",
    message: "the events end within the archive",
  },
  {
    name: "a directory without its end",
    events: [open(root)],
    code: "ERR_NAR_EVENTS",
    message: "the events end within the archive",
  },
  {
    name: "one end too many",
    events: [open(root), end, end],
    code: "ERR_NAR_EVENTS",
    message: "no directory is open",
  },
  {
    name: "two roots",
    events: [open(root), end, regular(root, 0)],
    code: "ERR_NAR_EVENTS",
    message: "an archive holds one node",
  },
  {
    name: "a root with a name",
    events: [open(at("x")), end],
    code: "ERR_NAR_EVENTS",
    message: "the root has no name, not 'x'",
  },
  {
    name: "too few contents",
    events: [open(root), regular(at("a"), 3), contents("ab"), end],
    code: "ERR_NAR_EVENTS",
    message: "file 'a' lacks 1 bytes of its contents",
  },
  {
    name: "too many contents",
    events: [open(root), regular(at("a"), 3), contents("ab"), contents("cd")],
    code: "ERR_NAR_EVENTS",
    message: "file 'a' has more contents than its 3 bytes",
  },
  {
    name: "contents of nothing",
    events: [open(root), contents("a")],
    code: "ERR_NAR_EVENTS",
    message: "contents belong to no file",
  },
  {
    name: "half a byte",
    events: [regular(root, 0.5)],
    code: "ERR_NAR_EVENTS",
    message: "no file has 0.5 bytes",
  },
  {
    name: "names out of order",
    events: [open(root), regular(at("b"), 0), regular(at("a"), 0)],
    code: "ERR_NAR_ORDER",
    message: "NAR directory is not sorted: expected a name behind 'b', found 'a'",
  },
  {
    name: "a name that leads elsewhere",
    events: [open(root), regular(at(".."), 0)],
    code: "ERR_NAR_NAME",
    message:
      "NAR contains invalid file name '..': expected a name without '/' and NUL, not empty, '.' or '..', found '..'",
  },
  {
    name: "a name that is too long",
    events: [open(root), regular(at("n".repeat(256)), 0)],
    code: "ERR_NAR_LIMIT",
    message: "at most 255 for a name, not 256",
  },
  {
    name: "a link to nothing",
    events: [{ type: "symlink", name: root, target: root }],
    code: "ERR_NAR_NAME",
    message:
      "symbolic link with an invalid target: expected a target that is not empty and has no NUL, found ''",
  },
])("prints no archive of $name", async ({ events, code, message }) => {
  const refusal = expect.objectContaining({ name: "NarError", code, message });
  expect(() => concat(printNar(events))).toThrow(refusal);
  await expect(collect(printNarStream(events))).rejects.toEqual(refusal);
});

test("empty contents are none", () => {
  const events = [regular(root, 2), contents(""), contents("ab"), contents("")];
  expect(concat(printNar(events))).toEqual(concat(printNar([regular(root, 2), contents("ab")])));
});

test.each(goldenArchives)("streams the archive '$name' through", async ({ bytes }) => {
  expect(await collect(printNarStream(parseNarStream([bytes])))).toEqual(bytes);
});

test("contents are passed on, not copied", () => {
  const bytes = new Uint8Array(1_000_000);
  const pieces = [...printNar([regular(root, bytes.length), { type: "contents", bytes }])];
  expect(pieces).toHaveLength(3);
  expect(pieces[1]).toBe(bytes);
});

test("many small entries do not come in as many pieces", () => {
  const entries = Array.from({ length: 1000 }, (_, index) => regular(at(String(index + 1000)), 0));
  const pieces = [...printNar([open(root), ...entries, end])];
  expect(pieces.length).toBeLessThan(20);
  expect([...parseNar(pieces)]).toHaveLength(1002);
});
