import { NarParser } from "@drvkit/nar";
import { expect, test } from "vitest";
import {
  type ExportedObject,
  parseExport,
  parseExportStream,
  parseRegistrations,
  printExport,
  printExportStream,
  printRegistrations,
} from "../src/index.js";
import { dumpDb, exportStream, storeDir } from "./support/testdata.js";

const options = { storeDir, makeNar: () => new NarParser() };

function* pieces(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

/** Objects with their archives in one piece. */
function objectsIn(source: Uint8Array | Iterable<Uint8Array>) {
  const objects: (ExportedObject & { readonly nar: readonly Uint8Array[] })[] = [];
  let nar: Uint8Array[] = [];
  for (const event of parseExport(source, options)) {
    if (event.type === "nar") nar.push(event.bytes);
    else {
      const { type: _type, ...object } = event;
      objects.push({ ...object, nar: [new Uint8Array(Buffer.concat(nar))] });
      nar = [];
    }
  }
  return objects;
}

test("an export stream of Nix prints to the bytes it was read from", async () => {
  const objects = objectsIn(exportStream);
  expect(objects.length).toBeGreaterThan(4);
  expect(new Uint8Array(Buffer.concat([...printExport(objects)]))).toEqual(exportStream);
  const streamed = [];
  for await (const piece of printExportStream(objects)) streamed.push(piece);
  expect(new Uint8Array(Buffer.concat(streamed))).toEqual(exportStream);
});

test("an export stream means the same in whatever pieces it comes", async () => {
  const objects = objectsIn(exportStream);
  for (const length of [1, 7, 8, 100]) expect(objectsIn(pieces(exportStream, length))).toEqual(objects);
  const events = [];
  for await (const event of parseExportStream(pieces(exportStream, 50), options)) events.push(event);
  expect(events.filter(({ type }) => type === "object")).toHaveLength(objects.length);
});

test("an export stream is refused wherever it is cut", () => {
  for (let length = 0; length < exportStream.length; length += 1)
    expect(() => [...parseExport(exportStream.subarray(0, length), options)]).toThrow(
      expect.objectContaining({ code: "ERR_EXPORT_SYNTAX" }),
    );
});

test("an old signature is passed over", () => {
  const end = Buffer.alloc(8);
  const [object] = objectsIn(exportStream);
  if (object === undefined) throw new Error("no testdata");
  const one = Buffer.concat([...printExport([object])]);
  const signed = Buffer.concat([
    one.subarray(0, -16),
    Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0]),
    end,
  ]);
  expect(objectsIn(signed)).toEqual([object]);
});

test.each<[string, Uint8Array, string]>([
  [
    "something else",
    new Uint8Array(Buffer.from("nix-archive")),
    "input doesn't look like something created by 'nix-store --export': expected 0 or 1 at offset 0, found",
  ],
  [
    "bytes behind its end",
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 5),
    "bytes after the export stream: expected the end at offset 8, found byte 5",
  ],
])("refuses %s", (_name, bytes, message) => {
  expect(() => [...parseExport(bytes, options)]).toThrow(
    expect.objectContaining({
      code: "ERR_EXPORT_SYNTAX",
      message: expect.stringContaining(message),
      offset: expect.any(Number),
    }),
  );
});

test("refuses an archive that is followed by another mark", () => {
  const at = Buffer.from(exportStream).indexOf("NIXE");
  const bytes = exportStream.slice();
  bytes[at] = 0;
  expect(() => [...parseExport(bytes, options)]).toThrow(
    expect.objectContaining({
      message: expect.stringContaining("Nix archive cannot be imported; wrong format"),
      offset: at,
    }),
  );
});

test("a dump of a database prints to the text it was read from", () => {
  const registrations = parseRegistrations(dumpDb, { storeDir });
  expect(registrations.length).toBeGreaterThan(5);
  expect(printRegistrations(registrations)).toBe(dumpDb);
  const bare = registrations.map(({ nar: _nar, ...rest }) => rest);
  const text = printRegistrations(bare);
  expect(parseRegistrations(text, { storeDir, hashGiven: false })).toEqual(bare);
});

test.each([
  [3, "missing input: expected a number at line 4, found the end"],
  [1, "missing input: expected a sha256 hash at line 2, found the end"],
])("refuses a dump cut behind line %i", (lines, message) => {
  const text = dumpDb.split("\n").slice(0, lines).join("\n");
  const shown = message.replace("a number at line 4", "a store path or nothing at line 4");
  expect(() => parseRegistrations(`${text}\n`, { storeDir })).toThrow(
    expect.objectContaining({ code: "ERR_REGISTRATION_SYNTAX", message: shown }),
  );
});

test("refuses a dump with a number that is none", () => {
  const lines = dumpDb.split("\n");
  lines[2] = "many";
  expect(() => parseRegistrations(lines.join("\n"), { storeDir })).toThrow(
    expect.objectContaining({
      message: "number expected: expected a number at line 3, found 'many'",
      line: 3,
    }),
  );
});
