import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import {
  compress,
  copyTree,
  decompress,
  dumpTree,
  hashTree,
  listDirectory,
  listTree,
  restoreTree,
  scanTree,
} from "../ts/trees.js";
import { growthWhile } from "./process-fixture.js";
import { archiveOf, collect, type TreeNode, tempDir } from "./trees-fixture.js";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const file: TreeNode = { type: "regular", executable: false, size: 1, contentsBase64: base64("x") };
const directory = (...names: readonly string[]): TreeNode => ({
  type: "directory",
  entries: names.map((name) => ({ nameBase64: base64(name), node: file })),
});

describe("names", () => {
  test("that differ in case or form alone are names of their own, whatever they end in", async () => {
    const dir = tempDir();
    const names = ["A", "A~nix~case~hack~1", "a", "e\u0301", "\u00e9", "~nix~case~hack~1"];
    await restoreTree([archiveOf(directory(...names))], `${dir}/x`);
    expect(readdirSync(`${dir}/x`).sort()).toEqual([...names].sort());
    expect((await collect(dumpTree(`${dir}/x`))).equals(archiveOf(directory(...names)))).toBe(true);
  });

  test("have up to 255 bytes, and an archive with a longer one is refused before it has come", async () => {
    const dir = tempDir();
    const longest = "n".repeat(255);
    await restoreTree([archiveOf(directory(longest))], `${dir}/x`);
    expect(readdirSync(`${dir}/x`)).toEqual([longest]);
    const archive = archiveOf(directory(`${longest}n`));
    const head = archive.subarray(0, archive.indexOf("nn"));
    async function* started() {
      yield head;
      throw new Error("asked for more");
    }
    await expect(restoreTree(started(), `${dir}/y`)).rejects.toMatchObject({
      code: "ERR_TREE_ARCHIVE",
      message: expect.stringMatching(/expected at most 255 bytes for a name at offset \d+, found 256/u),
    });
  });

  test("are bytes in trees and archives; a listing as text refuses others", async () => {
    const dir = tempDir();
    const tree: TreeNode = {
      type: "directory",
      entries: [{ nameBase64: Buffer.from([0xff, 0x0a]).toString("base64"), node: file }],
    };
    await restoreTree([archiveOf(tree)], `${dir}/x`);
    expect((await collect(dumpTree(`${dir}/x`))).equals(archiveOf(tree))).toBe(true);
    expect((await listDirectory(`${dir}/x`, new Uint8Array())).map(({ name }) => [...name])).toEqual([
      [0xff, 0x0a],
    ]);
    await expect(listTree(`${dir}/x`)).rejects.toMatchObject({
      code: "ERR_TREE_NOT_UTF8",
      path: `${dir}/x`,
    });
  });
});

const nested = (levels: number): TreeNode => {
  let tree: TreeNode = file;
  for (let level = 1; level < levels; level++)
    tree = { type: "directory", entries: [{ nameBase64: base64("d"), node: tree }] };
  return tree;
};

test("a tree has up to 64 levels, in every direction", async () => {
  const dir = tempDir();
  await restoreTree([archiveOf(nested(64))], `${dir}/x`);
  expect((await collect(dumpTree(`${dir}/x`))).equals(archiveOf(nested(64)))).toBe(true);
  await copyTree(`${dir}/x`, `${dir}/copy`);
  await listTree(`${dir}/x`);
  await expect(restoreTree([archiveOf(nested(65))], `${dir}/y`)).rejects.toMatchObject({
    code: "ERR_TREE_ARCHIVE",
    message: expect.stringContaining("expected at most 64 levels"),
  });
  mkdirSync(`${dir}/deep/${Array(64).fill("d").join("/")}`, { recursive: true });
  const refused = { code: "ERR_TREE_DEPTH", hint: "an archive has room for 64 levels" };
  await expect(collect(dumpTree(`${dir}/deep`))).rejects.toMatchObject(refused);
  await expect(hashTree(`${dir}/deep`)).rejects.toMatchObject(refused);
  await expect(listTree(`${dir}/deep`)).rejects.toMatchObject(refused);
  await expect(copyTree(`${dir}/deep`, `${dir}/other`)).rejects.toMatchObject(refused);
  expect(readdirSync(dir).sort()).toEqual(["copy", "deep", "x"]);
});

describe("files of other types", () => {
  const isRoot = process.getuid?.() === 0;
  const makers = [
    { what: "a pipe", make: async (path: string) => spawnSync("mkfifo", [path]) },
    {
      what: "a socket",
      make: async (path: string) => {
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(path, resolve));
        spawnSync("cp", ["-a", path, `${path}-kept`]); // the server removes its own
        await new Promise((resolve) => server.close(resolve));
        spawnSync("mv", [`${path}-kept`, path]);
      },
    },
    ...(isRoot
      ? [
          { what: "a device", make: async (path: string) => spawnSync("mknod", [path, "c", "1", "3"]) },
          {
            what: "a block device",
            make: async (path: string) => spawnSync("mknod", [path, "b", "7", "99"]),
          },
        ]
      : []),
  ];

  test.each(makers)("$what is refused by name, without being opened", async ({ make }) => {
    const dir = tempDir();
    mkdirSync(`${dir}/x/below`, { recursive: true });
    writeFileSync(`${dir}/x/a`, "");
    const path = `${dir}/x/below/other`;
    await make(path);
    expect(statSync(path).isFile()).toBe(false);
    const refused = { code: "ERR_TREE_TYPE", message: `file '${path}' has an unsupported type`, path };
    await expect(collect(dumpTree(`${dir}/x`))).rejects.toMatchObject(refused);
    await expect(hashTree(`${dir}/x`)).rejects.toMatchObject(refused);
    await expect(scanTree(`${dir}/x`, [])).rejects.toMatchObject(refused);
    await expect(listTree(`${dir}/x`)).rejects.toMatchObject(refused);
    await expect(copyTree(`${dir}/x`, `${dir}/copy`)).rejects.toMatchObject(refused);
    await expect(collect(compress("xz", path))).rejects.toMatchObject({ code: "ERR_TREE_TYPE", path });
    expect(readdirSync(dir)).toEqual(["x"]);
  });
});

describe("sparse files", () => {
  test("are zeros in an archive, and remain sparse where they are copied", async () => {
    const dir = tempDir();
    const sizeBytes = 50_000_000;
    const sparse = openSync(`${dir}/sparse`, "w");
    ftruncateSync(sparse, sizeBytes);
    closeSync(sparse);
    appendFileSync(`${dir}/sparse`, "end");
    writeFileSync(`${dir}/plain`, Buffer.concat([Buffer.alloc(sizeBytes), Buffer.from("end")]));
    const growth = await growthWhile(async () => {
      expect(await hashTree(`${dir}/sparse`)).toEqual(await hashTree(`${dir}/plain`));
      const packed = compress("zstd", dumpTree(`${dir}/sparse`));
      await restoreTree(decompress("zstd", packed), `${dir}/restored`);
    });
    expect(growth).toBeLessThan(40_000_000);
    await copyTree(`${dir}/sparse`, `${dir}/copy`);
    expect(readFileSync(`${dir}/restored`).equals(readFileSync(`${dir}/plain`))).toBe(true);
    expect(await hashTree(`${dir}/copy`)).toEqual(await hashTree(`${dir}/plain`));
    if (statSync(`${dir}/sparse`).blocks * 512 < sizeBytes)
      expect(statSync(`${dir}/copy`).blocks * 512).toBeLessThan(sizeBytes);
  });
});

describe("files that change while they are read", () => {
  const sizeBytes = 3_000_000;

  /** Dumps a file; something happens to it when the first chunk has come. */
  async function dumpWhile(act: (path: string) => void) {
    const path = `${tempDir()}/file`;
    writeFileSync(path, Buffer.alloc(sizeBytes, "x"));
    const before = await collect(dumpTree(path));
    const chunks: Uint8Array[] = [];
    for await (const chunk of dumpTree(path)) {
      if (chunks.length === 0) act(path);
      chunks.push(chunk);
    }
    return { before, during: Buffer.concat(chunks) };
  }

  test("are read to the length that they had, when they grow", async () => {
    const { before, during } = await dumpWhile((path) => appendFileSync(path, "more"));
    expect(during.equals(before)).toBe(true);
  });

  test("are refused, when they shrink, and nothing is restored", async () => {
    const dir = tempDir();
    const shrink = dumpWhile((path) => truncateSync(path, 1_500_000));
    await expect(shrink).rejects.toMatchObject({
      code: "ERR_TREE_CHANGED",
      message: expect.stringMatching(/^'.*file' changed while it was read$/u),
      hint: expect.any(String),
    });
    writeFileSync(`${dir}/file`, Buffer.alloc(sizeBytes));
    async function* shrinking() {
      for await (const chunk of dumpTree(`${dir}/file`)) {
        truncateSync(`${dir}/file`, 10);
        yield chunk;
      }
    }
    await expect(restoreTree(shrinking(), `${dir}/out`)).rejects.toMatchObject({ code: "ERR_TREE_CHANGED" });
    expect(readdirSync(dir)).toEqual(["file"]);
  });
});
