import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { copyTree } from "../ts/copy.js";
import { listDirectory, statEntry } from "../ts/listing.js";
import { canonicaliseAndScanTree, canonicaliseTree, hashFile, hashTree, scanTree } from "../ts/trees.js";
import { tempDir } from "./trees-fixture.js";

const bytes = (text: string) => Buffer.from(text, "latin1");

describe("listing a directory", () => {
  test("gives names as bytes, types and stamps", async () => {
    const dir = tempDir();
    mkdirSync(`${dir}/tree/sub`, { recursive: true });
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/tree/sub/`), bytes("\xff")]), "");
    symlinkSync("nowhere", `${dir}/tree/sub/link`);
    mkdirSync(`${dir}/tree/sub/B`);
    const before = Date.now() * 1e6;
    const entries = await listDirectory(`${dir}/tree`, bytes("sub"));
    expect(entries.map(({ name, type }) => [Buffer.from(name).toString("latin1"), type])).toEqual([
      ["B", "directory"],
      ["link", "symlink"],
      ["\xff", "regular"],
    ]);
    for (const { changedNs } of entries) expect(Math.abs(Number(changedNs) - before)).toBeLessThan(60e9);
  });

  test("a stamp is that of the top as well, and changes with the file", async () => {
    const dir = tempDir();
    writeFileSync(`${dir}/file`, "one");
    const top = statEntry(`${dir}/file`);
    const [listed] = await listDirectory(dir, bytes(""));
    expect(listed?.stamp).toEqual(top?.stamp);
    truncateSync(`${dir}/file`, 2);
    expect(statEntry(`${dir}/file`)?.stamp).not.toEqual(top?.stamp);
    expect(statEntry(`${dir}/none`)).toBeUndefined();
  });

  test("refuses what is no directory, a link included", async () => {
    const dir = tempDir();
    symlinkSync("/", `${dir}/link`);
    await expect(listDirectory(dir, bytes("link"))).rejects.toMatchObject({
      code: "ERR_TREE_IO",
      path: `${dir}/link`,
    });
  });
});

describe("a signal", () => {
  const endless = () => {
    const file = `${tempDir()}/endless`;
    writeFileSync(file, "");
    truncateSync(file, 2 ** 43);
    return file;
  };

  test.each([
    ["hashTree", (path: string, signal: AbortSignal) => hashTree(path, "sha256", { signal })],
    ["hashFile", (path: string, signal: AbortSignal) => hashFile(path, "sha1", { signal })],
    [
      "canonicaliseAndScanTree",
      (path: string, signal: AbortSignal) => canonicaliseAndScanTree(path, [], { signal }),
    ],
    ["scanTree", (path: string, signal: AbortSignal) => scanTree(path, [], { signal })],
  ])("ends %s of a file that would take days", async (_name, work) => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const working = work(endless(), controller.signal);
    setTimeout(() => controller.abort(reason), 20);
    await expect(working).rejects.toBe(reason);
  });

  test("that was aborted before lets nothing begin", async () => {
    const dir = tempDir();
    writeFileSync(`${dir}/file`, "x");
    const signal = AbortSignal.abort(new Error("before"));
    await expect(copyTree(`${dir}/file`, `${dir}/copy`, { signal })).rejects.toThrow("before");
    await expect(canonicaliseTree(`${dir}/file`, { signal })).rejects.toThrow("before");
    expect(statEntry(`${dir}/copy`)).toBeUndefined();
  });
});

test("a copy of what is kept has nothing else", async () => {
  const dir = tempDir();
  mkdirSync(`${dir}/tree/a/empty`, { recursive: true });
  mkdirSync(`${dir}/tree/b`);
  for (const file of ["a/1", "a/2", "b/1", "c"]) writeFileSync(`${dir}/tree/${file}`, file);
  await copyTree(`${dir}/tree`, `${dir}/copy`, { keep: bytes("a\0a/2\0a/empty\0c\0") });
  const names = async (below: string) =>
    (await listDirectory(`${dir}/copy`, bytes(below))).map(({ name }) => Buffer.from(name).toString());
  expect(await names("")).toEqual(["a", "c"]);
  expect(await names("a")).toEqual(["2", "empty"]);
});
