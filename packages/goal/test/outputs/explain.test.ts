import { bytesOf } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { excerpt } from "../../src/outputs/excerpt.js";
import { explainDifference } from "../../src/outputs/explain.js";
import type { TreeDifference } from "../../src/ports/trees.js";

const path = bytesOf("share/file");

/** Two contents of one file, as a comparison tells them. */
function contents(one: string, other: string, before = 0): TreeDifference {
  const [registered, built] = [Buffer.from(one, "latin1"), Buffer.from(other, "latin1")];
  let at = 0;
  while (at < registered.length && registered[at] === built[at]) at += 1;
  return {
    path,
    kind: "contents",
    oneSizeBytes: before + registered.length,
    otherSizeBytes: before + built.length,
    offset: before + at,
    aroundOffset: before,
    one: registered,
    other: built,
    sameLines: false,
  };
}

function reasonOf(difference: TreeDifference): string | undefined {
  const explained = explainDifference(difference);
  return "reason" in explained ? explained.reason : undefined;
}

const zeros = (count: number) => "\0".repeat(count);
const arHeader = (time: string) => `name/           ${time}  0     0     100644  4         \`\nabcd`;
const tarHeader = (time: string, checksum: string) =>
  `name${zeros(132)}${time}\0${checksum}\0 0${zeros(100)}ustar  \0${zeros(247)}`;

describe("why contents differ", () => {
  test.each([
    { name: "date and time", one: "built 2026-11-26 10:00:00 here", other: "built 2026-11-26 10:00:07 here" },
    { name: "date", one: "on 2026-11-26", other: "on 2026-11-27" },
    { name: "clock", one: "at 9:59", other: "at 10:00" },
    { name: "date in words", one: "Thu Nov 26 10:00:00", other: "Fri Nov 27 10:00:00" },
    { name: "name of a month", one: "26 Nov 2026", other: "1 Dec 2026" },
    { name: "seconds since the epoch", one: "v = 1795687200;", other: "v = 1795687207;" },
    { name: "stamp", one: "20261126T100000Z", other: "20261126T100003Z" },
  ])("is a time: $name", ({ one, other }) => {
    expect(reasonOf(contents(one, other))).toBe("time");
  });

  test.each([
    {
      name: "gzip",
      one: "\x1f\x8b\b\0\x01\x02\x03\x04\0\x03abc",
      other: "\x1f\x8b\b\0\x01\x02\xf3\x04\0\x03abc",
    },
    { name: "compiled Python", one: "\xcb\r\r\n\0\0\0\0abcd", other: "\xcb\r\r\n\0\0\0\0abcX" },
    { name: "a file in zip", one: `xxPK\x03\x04${zeros(6)}abcd`, other: `xxPK\x03\x04${zeros(6)}abXd` },
    {
      name: "the directory of zip",
      one: `xxPK\x01\x02${zeros(8)}abcd`,
      other: `xxPK\x01\x02${zeros(8)}Xbcd`,
    },
    {
      name: "an archive of objects",
      one: `!<arch>\n${arHeader("1795687200")}`,
      other: `!<arch>\n${arHeader("1795687201")}`,
    },
    { name: "tar", one: tarHeader("15202044340", "012345"), other: tarHeader("15202044341", "012346") },
  ])("is a time: in the header of $name", ({ one, other }) => {
    expect(reasonOf(contents(one, other))).toBe("time");
  });

  test("is a time: in a header of tar beyond the first", () => {
    const [one, other] = [tarHeader("15202044340", "012345"), tarHeader("15202044341", "012346")];
    expect(reasonOf(contents(one, other, 1024))).toBe("time");
    expect(reasonOf(contents(one, other, 1000))).toBeUndefined();
  });

  test.each([
    { name: "a build directory", one: "cd /tmp/nix-build-a-0/src", other: "cd /tmp/nix-build-a-1/src" },
    { name: "a shorter one", one: "at /build/a", other: "at /build/ab" },
    {
      name: "a store path",
      one: "x 0c0hpj1cahj2y6yvnbcnl5rcnbsjzkmm-dep y",
      other: "x 1c0hpj1cahj2y6yvnbcnl5rcnbsjzkmm-dep y",
    },
    { name: "with a time in it", one: "/tmp/run-1795687200/x", other: "/tmp/run-1795687207/x" },
  ])("is a path: $name", ({ one, other }) => {
    expect(reasonOf(contents(one, other))).toBe("path");
  });

  test("is the order of lines", () => {
    expect(reasonOf({ ...contents("a\nb\n", "b\na\n"), sameLines: true } as TreeDifference)).toBe("order");
  });

  test.each([
    { name: "a number", one: "id 12345", other: "id 12346" },
    { name: "bytes", one: "\x7fELF\x01", other: "\x7fELF\x02" },
    { name: "a time in one of them only", one: "2026-11-26", other: "2026-11-xx" },
    { name: "text behind a time", one: "10:00:00 abc", other: "10:00:00 abd" },
    { name: "a slash", one: "a / b", other: "a / c" },
  ])("does not show: $name", ({ one, other }) => {
    expect(reasonOf(contents(one, other))).toBeUndefined();
  });
});

describe("what differs, for a person", () => {
  test("is the line around the first byte that differs", () => {
    expect(explainDifference(contents("first\nsecond a\nthird", "first\nsecond b\nthird, longer"))).toEqual({
      file: "share/file",
      kind: "contents",
      registeredSizeBytes: 20,
      builtSizeBytes: 28,
      offset: 13,
      registered: "second a\\n",
      built: "second b\\n",
    });
  });

  test("is the target of a link, with the reason", () => {
    const [one, other] = [bytesOf("/build/one"), bytesOf("/build/two")];
    expect(explainDifference({ path, kind: "target", one, other })).toEqual({
      file: "share/file",
      kind: "target",
      registered: "/build/one",
      built: "/build/two",
      reason: "path",
    });
  });

  test("names the trees by what they are", () => {
    expect(explainDifference({ path, kind: "only", onlyIn: "one" })).toMatchObject({ onlyIn: "registered" });
    expect(explainDifference({ path, kind: "executable", onlyIn: "other" })).toMatchObject({
      onlyIn: "built",
    });
    expect(explainDifference({ path, kind: "type", one: "regular", other: "symlink" })).toMatchObject({
      registered: "regular",
      built: "symlink",
    });
  });

  test.each([
    { bytes: "häuser", file: "häuser" },
    { bytes: "a\nb\x1b[2J", file: "a\\nb\\x1b[2J" },
    { bytes: new Uint8Array([0x61, 0xff]), file: "a\\xff" },
  ])("says $file of a name", ({ bytes, file }) => {
    const { file: told } = explainDifference({
      path: typeof bytes === "string" ? bytesOf(bytes) : bytes,
      kind: "only",
      onlyIn: "one",
    });
    expect(told).toBe(file);
  });

  test.each([
    { text: "plain", at: 0, shown: "plain" },
    { text: "\nplain", at: 0, shown: "\\n" },
    { text: `${"x".repeat(50)}y${"z".repeat(50)}`, at: 50, shown: `${"x".repeat(16)}y${"z".repeat(31)}` },
    { text: "a\tb\\c\x00\xff", at: 0, shown: "a\\tb\\\\c\\x00\\xff" },
    { text: "end", at: 3, shown: "end" },
  ])("shows $shown", ({ text, at, shown }) => {
    expect(excerpt(text, at)).toBe(shown);
  });
});
