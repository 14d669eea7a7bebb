import { describe, expect, test } from "vitest";
import { extractNarFile, narSubtree, narTreeEvents, printNar, printNarStream } from "../src/index.js";
import { collect, concat, directory, file, link, pieces } from "./support/archives.js";

const big = file("z".repeat(1_000_000));
const doc = directory({ README: file("read me", true), nothing: file("") });
const tree = directory({
  a: directory({ README: file("another") }),
  share: directory({ doc, link: link("doc") }),
  z: big,
});
const archive = concat(printNar(narTreeEvents(tree)));

/** The archive in pieces, with a count of those that were taken. */
function source() {
  const taken = { pieces: 0, closed: false };
  async function* stream() {
    try {
      for (const piece of pieces(archive, 100)) {
        taken.pieces += 1;
        yield piece;
      }
    } finally {
      taken.closed = true;
    }
  }
  return { taken, stream: stream() };
}

describe("extractNarFile", () => {
  test.each([
    ["share/doc/README", "read me"],
    ["/share//doc/README", "read me"],
    ["a/README", "another"],
    ["share/doc/nothing", ""],
  ])("gives '%s' and reads nothing behind it", async (path, text) => {
    const { taken, stream } = source();
    expect(Buffer.from(await collect(extractNarFile(stream, path))).toString()).toBe(text);
    expect(taken.closed).toBe(true);
    expect(taken.pieces).toBeLessThan(20);
  });

  test("takes a path as bytes", async () => {
    const path = ["share", "doc", "README"].map((name) => new TextEncoder().encode(name));
    expect(Buffer.from(await collect(extractNarFile([archive], path))).toString()).toBe("read me");
  });

  test("gives a root that is a file", async () => {
    const bytes = concat(printNar(narTreeEvents(file("root"))));
    expect(Buffer.from(await collect(extractNarFile([bytes], ""))).toString()).toBe("root");
  });

  test.each([
    ["", "'' is a directory, not a regular file"],
    ["share/link", "'share/link' is a symlink, not a regular file"],
    ["share/link/README", "'share/link/README' leads through a symlink, not a directory"],
    ["a/README/x", "'a/README/x' leads through a regular, not a directory"],
    ["share/nothing", "the archive has no 'share/nothing'"],
    ["b", "the archive has no 'b'"],
    ["zz", "the archive has no 'zz'"],
  ])("refuses '%s'", async (path, message) => {
    await expect(collect(extractNarFile([archive], path))).rejects.toMatchObject({
      code: "ERR_NAR_ENTRY",
      message,
    });
  });

  test("knows by the order of names that a file will not come", async () => {
    const { taken, stream } = source();
    await expect(collect(extractNarFile(stream, "b"))).rejects.toMatchObject({ code: "ERR_NAR_ENTRY" });
    expect(taken.pieces).toBeLessThan(20);
  });
});

test("a subtree is an archive of its own", async () => {
  const events = narSubtree([archive], "share/doc");
  expect(await collect(printNarStream(events))).toEqual(concat(printNar(narTreeEvents(doc))));
});
