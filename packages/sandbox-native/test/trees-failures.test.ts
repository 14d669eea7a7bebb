import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import {
  canonicaliseTree,
  compress,
  compressFile,
  copyTree,
  decompress,
  decompressFile,
  dumpTree,
  hashFile,
  hashTree,
  listTree,
  moveTree,
  removeTree,
  restoreTree,
  rewriteTree,
  scanTree,
} from "../ts/trees.js";
import { canMount, fill, makeReadOnly, mountBroken, mountMemory } from "./mounted.js";
import { openFiles } from "./process-fixture.js";
import { collect, tempDir } from "./trees-fixture.js";

const { EACCES, EIO, ENOSPC, EROFS } = { EACCES: 13, EIO: 5, ENOSPC: 28, EROFS: 30 };
const hasLoop =
  canMount && spawnSync("mkfs.ext4", ["-V"]).status === 0 && spawnSync("losetup", ["-f"]).status === 0;
const reason = "(skipped: needs root and mounts)";
const because = (works: boolean) => (works ? "" : ` ${reason}`);

/** A tree of 3 MB, a packed copy of its archive and of one file. */
async function makeTree(dir: string): Promise<string> {
  mkdirSync(`${dir}/tree/below`, { recursive: true });
  for (const name of ["a", "below/b", "c"])
    writeFileSync(`${dir}/tree/${name}`, Buffer.alloc(1_000_000, name));
  await compressFile("zstd", `${dir}/tree/a`, `${dir}/a.zst`);
  return `${dir}/tree`;
}

/** Everything that makes something of `tree` at `to`. */
const writers: readonly {
  readonly name: string;
  readonly write: (tree: string, to: string) => Promise<unknown>;
}[] = [
  { name: "restoreTree", write: (tree, to) => restoreTree(dumpTree(tree), to) },
  { name: "restoreTree to the disk", write: (tree, to) => restoreTree(dumpTree(tree), to, { sync: true }) },
  {
    name: "restoreTree of compressed data",
    write: (tree, to) => restoreTree(decompress("xz", compress("xz", dumpTree(tree), { level: 0 })), to),
  },
  { name: "copyTree", write: (tree, to) => copyTree(tree, to) },
  { name: "rewriteTree", write: (tree, to) => rewriteTree(tree, to, new Map([["aa", "zz"]])) },
  { name: "compressFile", write: (tree, to) => compressFile("lz4", `${tree}/noise`, to) },
  { name: "decompressFile", write: (tree, to) => decompressFile("zstd", `${dirname(tree)}/a.zst`, to) },
];

const beside = (path: string) => `${dirname(path)}/there`;

/** Everything that reads a tree with one file. */
const readers: readonly { readonly name: string; readonly read: (tree: string) => Promise<unknown> }[] = [
  { name: "hashTree", read: (tree) => hashTree(tree) },
  { name: "hashFile", read: (tree) => hashFile(`${tree}/file`) },
  { name: "scanTree", read: (tree) => scanTree(tree, ["0".repeat(32)]) },
  { name: "dumpTree", read: (tree) => collect(dumpTree(tree, { scanFor: [] })) },
  { name: "compress", read: (tree) => collect(compress("gzip", `${tree}/file`)) },
];

async function makeNoisyTree(dir: string): Promise<string> {
  const tree = await makeTree(dir);
  writeFileSync(`${tree}/noise`, randomBytes(600_000));
  return tree;
}

/** Runs what fails; afterwards no descriptor is open that was not. */
async function failure(act: () => Promise<unknown>): Promise<unknown> {
  const before = openFiles();
  const error = await act().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(openFiles()).toEqual(before);
  return error;
}

describe.skipIf(!canMount)(`on a full disk${because(canMount)}`, () => {
  test.each(writers)("$name says so and leaves nothing", async ({ write }) => {
    const dir = tempDir();
    const tree = await makeNoisyTree(dir);
    const full = mountMemory(`${dir}/full`, "size=4m");
    fill(full, 300_000);
    expect(await failure(() => write(tree, `${full}/out`))).toMatchObject({
      name: "SandboxError",
      code: "ERR_NO_SPACE",
      errno: ENOSPC,
      step: expect.any(String),
      path: expect.stringMatching(new RegExp(`^${full}/out(/a)?$`, "u")),
      hint: expect.any(String),
    });
    expect(readdirSync(full)).toEqual(["filler"]);
  });

  test("no inode is left: nothing stays either", async () => {
    const dir = tempDir();
    const tree = await makeTree(dir);
    const full = mountMemory(`${dir}/full`, "size=8m,nr_inodes=4");
    const error = await failure(() => restoreTree(dumpTree(tree), `${full}/out`));
    expect(error).toMatchObject({ code: "ERR_NO_SPACE", step: "create", path: `${full}/out/below/b` });
    expect(readdirSync(full)).toEqual([]);
  });
});

describe.skipIf(!canMount)(`on a read-only file system${because(canMount)}`, () => {
  test.each([
    ...writers,
    { name: "removeTree", write: (_: string, to: string) => removeTree(beside(to)) },
    { name: "canonicaliseTree", write: (_: string, to: string) => canonicaliseTree(beside(to)) },
    { name: "moveTree", write: (_: string, to: string) => moveTree(beside(to), to) },
  ])("$name says so", async ({ write }) => {
    const dir = tempDir();
    const tree = await makeNoisyTree(dir);
    const place = mountMemory(`${dir}/place`, "size=8m");
    writeFileSync(`${place}/there`, "");
    makeReadOnly(place);
    expect(await failure(() => write(tree, `${place}/out`))).toMatchObject({
      code: "ERR_TREE_IO",
      errno: EROFS,
      path: expect.stringContaining(place),
    });
    expect(readdirSync(place)).toEqual(["there"]);
  });
});

describe.skipIf(!hasLoop)(`on a disk that cannot be read${because(hasLoop)}`, () => {
  test.each(readers)("$name says which file", async ({ read }) => {
    const tree = mountBroken(tempDir());
    expect(await failure(() => read(tree))).toMatchObject({
      code: "ERR_TREE_IO",
      errno: EIO,
      step: "read",
      path: `${tree}/file`,
    });
  });

  test.each(writers.slice(0, 5))("$name says so and leaves nothing", async ({ write }) => {
    const dir = tempDir();
    const tree = mountBroken(dir);
    mkdirSync(`${dir}/place`);
    const error = await failure(() => write(tree, `${dir}/place/out`));
    expect(error).toMatchObject({ code: "ERR_TREE_IO", errno: EIO, step: "read", path: `${tree}/file` });
    expect(readdirSync(`${dir}/place`)).toEqual([]);
  });
});

const isRoot = process.getuid?.() === 0;

/** Root may everything, so that it has to become somebody else meanwhile. */
async function asOrdinaryUser<T>(act: () => Promise<T>): Promise<T> {
  if (isRoot) process.seteuid?.(65534);
  try {
    return await act();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe("without permission", () => {
  test.each([...readers, { name: "listTree", read: (tree: string) => listTree(tree) }])(
    "$name says what it may not read",
    async ({ name, read }) => {
      const dir = tempDir();
      chmodSync(dir, 0o755);
      mkdirSync(`${dir}/tree`);
      writeFileSync(`${dir}/tree/file`, "text", { mode: 0 });
      if (name === "listTree") chmodSync(`${dir}/tree`, 0);
      expect(await failure(() => asOrdinaryUser(() => read(`${dir}/tree`)))).toMatchObject({
        code: "ERR_TREE_IO",
        errno: EACCES,
        step: "open",
        path: name === "listTree" ? `${dir}/tree` : `${dir}/tree/file`,
      });
    },
  );

  test.each(writers)("$name says where it may not write", async ({ write }) => {
    const dir = tempDir();
    const tree = await makeNoisyTree(dir);
    chmodSync(dir, 0o755);
    mkdirSync(`${dir}/place`, { mode: 0o555 });
    const error = await failure(() => asOrdinaryUser(() => write(tree, `${dir}/place/out`)));
    expect(error).toMatchObject({
      code: "ERR_TREE_IO",
      errno: EACCES,
      step: "create",
      path: `${dir}/place/out`,
    });
    expect(readdirSync(`${dir}/place`)).toEqual([]);
  });
});
