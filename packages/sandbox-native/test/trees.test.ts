import { spawnSync } from "node:child_process";
import { createHash, pbkdf2 } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { copyTree } from "../ts/copy.js";
import {
  type CanonicaliseOptions,
  canonicaliseAndScanTree,
  canonicaliseTree,
  compress,
  compressBzip2,
  compressZstd,
  decompressBzip2,
  decompressZstd,
  dumpTree,
  hashFile,
  hashImplementation,
  hashTree,
  makeSeenInodes,
  moveTree,
  removeTree,
  replaceTree,
  restoreTree,
  scanTree,
  statTree,
} from "../ts/trees.js";
import { archiveOf, collect, narVectors, restore, tempDir, treeArbitrary } from "./trees-fixture.js";

const isRoot = process.getuid?.() === 0;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A tree with one of everything that an archive can hold. */
function makeTree(dir: string): string {
  const tree = `${dir}/tree`;
  mkdirSync(`${tree}/inner/empty`, { recursive: true });
  writeFileSync(`${tree}/plain`, "text\n");
  writeFileSync(`${tree}/inner/run`, "#!/bin/sh\n");
  chmodSync(`${tree}/inner/run`, 0o755);
  symlinkSync("../plain", `${tree}/inner/link`);
  return tree;
}

describe.skipIf(narVectors.length === 0)("archives of the specification (skipped without ../shared)", () => {
  test.each(narVectors)("dumps and hashes $name", async ({ tree, narSize, narSha256Hex, narBase64 }) => {
    const path = `${tempDir()}/x`;
    restore(tree, Buffer.from(path));
    const archive = await collect(dumpTree(path));
    if (narBase64 !== undefined) expect(archive.toString("base64")).toBe(narBase64);
    expect([archive.length, sha256(archive)]).toEqual([narSize, narSha256Hex]);
    const { digest, sizeBytes } = await hashTree(path);
    expect([sizeBytes, hex(digest)]).toEqual([narSize, narSha256Hex]);
  });
});

test("dumps any tree as the grammar says, hashes it and copies it", async () => {
  const dir = tempDir();
  let number = 0;
  await fc.assert(
    fc.asyncProperty(treeArbitrary, async (tree) => {
      const path = `${dir}/${number++}`;
      restore(tree, Buffer.from(path));
      const archive = archiveOf(tree);
      expect((await collect(dumpTree(path))).toString("base64")).toBe(archive.toString("base64"));
      expect(hex((await hashTree(path)).digest)).toBe(sha256(archive));
      await restoreTree(dumpTree(path), `${path}-restored`);
      expect(hex((await hashTree(`${path}-restored`)).digest)).toBe(sha256(archive));
      await copyTree(path, `${path}-copy`);
      await canonicaliseTree(`${path}-copy`);
      expect(hex((await hashTree(`${path}-copy`)).digest)).toBe(sha256(archive));
    }),
    { numRuns: 100 },
  );
});

describe("restoreTree", () => {
  const small = async (dir: string) => [await collect(dumpTree(makeTree(dir)))];

  test.each([0, 23, 24, 100, 400])("leaves nothing of the first %i bytes of an archive", async (length) => {
    const dir = tempDir();
    const [archive = Buffer.alloc(0)] = await small(dir);
    await expect(restoreTree([archive.subarray(0, length)], `${dir}/again`)).rejects.toMatchObject({
      code: "ERR_TREE_ARCHIVE",
      message: `bad archive: unexpected end-of-file at offset ${length}`,
      path: `${dir}/again`,
    });
    expect(readdirSync(dir)).toEqual(["tree"]);
  });

  test("replaces nothing", async () => {
    const dir = tempDir();
    await expect(restoreTree(await small(dir), `${dir}/tree`)).rejects.toMatchObject({
      code: "ERR_TREE_EXISTS",
      hint: expect.any(String),
    });
    expect(readdirSync(dir)).toEqual(["tree"]);
  });

  test("ends with the reason of its signal, or with what its source throws, and leaves nothing", async () => {
    const dir = tempDir();
    const [archive = Buffer.alloc(0)] = await small(dir);
    const controller = new AbortController();
    const reason = new Error("enough");
    async function* interrupted(act: () => void) {
      yield archive.subarray(0, 300);
      expect(readdirSync(dir)).toHaveLength(2);
      act();
      yield archive.subarray(300);
    }
    const abort = () => controller.abort(reason);
    const { signal } = controller;
    await expect(restoreTree(interrupted(abort), `${dir}/again`, { signal })).rejects.toBe(reason);
    const fail = () => {
      throw reason;
    };
    await expect(restoreTree(interrupted(fail), `${dir}/again`)).rejects.toBe(reason);
    expect(readdirSync(dir)).toEqual(["tree"]);
  });
});

describe("hashTree", () => {
  test.each([
    [
      "an empty file",
      (path: string) => writeFileSync(path, ""),
      112,
      "77ac62e2629d8e45f624589c0c8bf99e24b3a722349bf1e79bc186008534e246",
    ],
    ["eight bytes", (path: string) => writeFileSync(path, "12345678"), 120, undefined],
    ["a link", (path: string) => symlinkSync("target", path), 120, undefined],
    ["an empty directory", (path: string) => mkdirSync(path), 96, undefined],
  ])("knows the size of %s", async (_name, make, size, digest) => {
    const path = `${tempDir()}/x`;
    make(path);
    const hash = await hashTree(path);
    expect(hash.sizeBytes).toBe(size);
    if (digest !== undefined) expect(hex(hash.digest)).toBe(digest);
  });

  test.each(["md5", "sha1", "sha256", "sha512"] as const)(
    "agrees with node:crypto on %s of the dump",
    async (algorithm) => {
      const tree = makeTree(tempDir());
      const archive = await collect(dumpTree(tree));
      const { digest, sizeBytes } = await hashTree(tree, algorithm);
      expect(digest).toBeInstanceOf(Uint8Array);
      expect(hex(digest)).toBe(createHash(algorithm).update(archive).digest("hex"));
      expect(sizeBytes).toBe(archive.length);
    },
  );

  test("refuses a name of no algorithm", async () => {
    await expect(hashTree("/", "sha3" as "sha256")).rejects.toThrow("unknown hash algorithm 'sha3'");
  });

  test("says what failed, where and why", async () => {
    const path = `${tempDir()}/absent`;
    await expect(hashTree(path)).rejects.toMatchObject({
      name: "SandboxError",
      code: "ERR_TREE_IO",
      message: `cannot stat '${path}': No such file or directory`,
      step: "stat",
      path,
      errno: 2,
    });
  });

  test("refuses a pipe with the text of the specification", async () => {
    const tree = makeTree(tempDir());
    expect(spawnSync("mkfifo", [`${tree}/pipe`]).status).toBe(0);
    await expect(hashTree(tree)).rejects.toMatchObject({
      code: "ERR_TREE_TYPE",
      message: `file '${tree}/pipe' has an unsupported type`,
      path: `${tree}/pipe`,
    });
  });

  test("refuses a tree of 65 levels and names the path", async () => {
    const dir = tempDir();
    const deepest = `${dir}/x${"/d".repeat(64)}`;
    mkdirSync(deepest, { recursive: true });
    await expect(hashTree(`${dir}/x`)).rejects.toMatchObject({ code: "ERR_TREE_DEPTH", path: deepest });
    await expect(collect(dumpTree(`${dir}/x`))).rejects.toMatchObject({
      code: "ERR_TREE_DEPTH",
      path: deepest,
    });
    await hashTree(`${dir}/x/d`);
  });

  test("hashes many trees at a time, none through the threads of Node", async () => {
    const tree = makeTree(tempDir());
    writeFileSync(`${tree}/large`, Buffer.alloc(3_000_000, 1));
    const expected = hex((await hashTree(tree)).digest);
    const finished: string[] = [];
    // All of Node's threads are taken for as long as this takes.
    const taken = Array.from({ length: 4 }, () =>
      promisify(pbkdf2)("x", "y", 400_000, 32, "sha512").then(() => finished.push("node")),
    );
    const ours = Array.from({ length: 20 }, () =>
      hashTree(tree).then(({ digest }) => {
        expect(hex(digest)).toBe(expected);
        finished.push("ours");
      }),
    );
    await Promise.all([...ours, ...taken]);
    expect(finished.slice(0, 20)).toEqual(Array(20).fill("ours"));
  });
});

describe("hashFile", () => {
  test("hashes the bytes of a file", async () => {
    const path = `${tempDir()}/x`;
    writeFileSync(path, "abc");
    const { digest, sizeBytes } = await hashFile(path, "sha1");
    expect([hex(digest), sizeBytes]).toEqual(["a9993e364706816aba3e25717850c26c9cd0d89d", 3]);
  });

  test("refuses a link to a file, and a directory", async () => {
    const tree = makeTree(tempDir());
    for (const path of [`${tree}/inner/link`, `${tree}/inner`]) {
      await expect(hashFile(path)).rejects.toMatchObject({ code: "ERR_TREE_TYPE", path });
    }
  });
});

describe("scanTree", () => {
  const parts = [
    "zyxwvsrqpnmlkjihgfdcba9876543210",
    "0123456789abcdfghijklmnpqrsvwxyz",
    "0".repeat(32),
  ] as const;

  test("finds parts in names, targets and contents and sorts them", async () => {
    const tree = makeTree(tempDir());
    writeFileSync(`${tree}/${parts[0]}-name`, "");
    symlinkSync(`/nix/store/${parts[1]}-x`, `${tree}/inner/x`);
    const { narHash, narSizeBytes, found } = await scanTree(tree, parts);
    expect(found).toEqual([parts[1], parts[0]]);
    expect({ digest: narHash, sizeBytes: narSizeBytes }).toEqual(await hashTree(tree));
  });

  test("finds nothing for no parts", async () => {
    expect((await scanTree(makeTree(tempDir()), [])).found).toEqual([]);
  });

  test("refuses what is no hash part", async () => {
    for (const part of ["", parts[0].slice(1), `e${parts[0].slice(1)}`]) {
      await expect(scanTree("/", [part])).rejects.toThrow(`'${part}' is not the hash part of a store path`);
    }
  });
});

test("says how SHA-256 is computed", () => {
  const flags = readFileSync("/proc/cpuinfo", "utf8");
  const expected = {
    x64: / sha_ni /u.test(flags) ? "sha-ni" : "portable",
    arm64: / sha2 /u.test(flags) ? "armv8" : "portable",
  };
  expect(hashImplementation()).toBe(expected[process.arch as "x64" | "arm64"]);
});

describe("dumpTree", () => {
  test("hashes and scans in the same pass, also when the archive goes on to be compressed", async () => {
    const tree = makeTree(tempDir());
    const part = "0123456789abcdfghijklmnpqrsvwxyz";
    writeFileSync(`${tree}/inner/refers`, Buffer.concat([Buffer.alloc(600_000), Buffer.from(part)]));
    const expected = await scanTree(tree, [part, "0".repeat(32)]);
    expect(expected.found).toEqual([part]);
    const dump = dumpTree(tree, { scanFor: [part, "0".repeat(32)] });
    expect(dump.scanned).toBeUndefined();
    for await (const _ of dump) break;
    expect(dump.scanned).toBeUndefined();
    await collect(dump);
    expect(dump.scanned).toEqual(expected);
    const packed = dumpTree(tree, { scanFor: [part] });
    await collect(compress("lz4", packed));
    expect(packed.scanned).toEqual(expected);
    await expect(collect(dumpTree(tree, { scanFor: ["x"] }))).rejects.toThrow("'x' is not the hash part");
    expect(dumpTree(tree).scanned).toBeUndefined();
  });

  test("reads no further ahead than one chunk", async () => {
    const dir = tempDir();
    writeFileSync(`${dir}/file`, Buffer.alloc(8_000_000, 1));
    const chunks = dumpTree(`${dir}/file`)[Symbol.asyncIterator]();
    await chunks.next();
    // What is shorter now is noticed only when somebody asks for it.
    writeFileSync(`${dir}/file`, "");
    const rest = async () => {
      for (let next = await chunks.next(); !next.done; next = await chunks.next());
    };
    await expect(rest()).rejects.toMatchObject({ code: "ERR_TREE_CHANGED", path: `${dir}/file` });
  });

  test("closes what it reads when the consumer leaves", async () => {
    const dir = tempDir();
    writeFileSync(`${dir}/file`, Buffer.alloc(8_000_000, 1));
    for (let round = 0; round < 50; round++) {
      for await (const chunk of dumpTree(`${dir}/file`)) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
    const open = spawnSync("ls", ["-l", `/proc/${process.pid}/fd`]).stdout.toString();
    // A read that was under way may still hold one.
    expect(open.split("\n").filter((line) => line.includes(dir)).length).toBeLessThan(3);
  });

  test("can be iterated twice", async () => {
    const dump = dumpTree(makeTree(tempDir()));
    expect(await collect(dump)).toEqual(await collect(dump));
  });
});

describe.each([
  { name: "canonicaliseTree", canonicalise: canonicaliseTree },
  {
    name: "canonicaliseAndScanTree",
    canonicalise: (path: string, options: CanonicaliseOptions = {}) =>
      canonicaliseAndScanTree(path, [], options),
  },
])("$name", ({ canonicalise }) => {
  test("leaves modes, times and owners as the store has them", async () => {
    const tree = makeTree(tempDir());
    chmodSync(`${tree}/plain`, 0o4666);
    await canonicalise(tree);
    const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);
    expect([mode(tree), mode(`${tree}/plain`), mode(`${tree}/inner`), mode(`${tree}/inner/run`)]).toEqual([
      "555",
      "444",
      "555",
      "555",
    ]);
    for (const path of [tree, `${tree}/plain`, `${tree}/inner/link`])
      expect(lstatSync(path).mtimeMs).toBe(1000);
  });

  test("refuses a foreign owner before it changes anything", async () => {
    const tree = makeTree(tempDir());
    const before = lstatSync(tree);
    await expect(canonicalise(tree, { allowedUids: { first: 872415232, count: 1 } })).rejects.toMatchObject({
      code: "ERR_TREE_OWNERSHIP",
      message: `invalid ownership on file '${tree}'`,
    });
    expect([lstatSync(tree).mode, lstatSync(tree).mtimeMs]).toEqual([before.mode, before.mtimeMs]);
  });

  test.skipIf(!isRoot)(
    "takes a hard link between two outputs of one build (skipped unless root: only root can give files away)",
    async () => {
      const dir = tempDir();
      const uid = 872415232;
      mkdirSync(`${dir}/one`);
      mkdirSync(`${dir}/two`);
      writeFileSync(`${dir}/one/file`, "");
      expect(spawnSync("ln", [`${dir}/one/file`, `${dir}/two/file`]).status).toBe(0);
      expect(spawnSync("chown", ["-R", `${uid}:${uid}`, `${dir}/one`, `${dir}/two`]).status).toBe(0);
      const seen = makeSeenInodes();
      await canonicalise(`${dir}/one`, { allowedUids: { first: uid, count: 1 }, seen });
      await canonicalise(`${dir}/two`, { allowedUids: { first: uid, count: 1 }, seen });
      expect(statSync(`${dir}/two/file`).uid).toBe(0);
    },
  );
});

describe("canonicaliseAndScanTree", () => {
  const part = "0123456789abcdfghijklmnpqrsvwxyz";

  test("finds what scanTree finds afterwards, as the modes are then", async () => {
    const tree = makeTree(tempDir());
    writeFileSync(`${tree}/inner/${part}-x`, "", { mode: 0o010 });
    const scanned = await canonicaliseAndScanTree(tree, [part]);
    expect(scanned.found).toEqual([part]);
    expect(statSync(`${tree}/inner/${part}-x`).mode & 0o777).toBe(0o444);
    expect(scanned).toEqual(await scanTree(tree, [part]));
  });

  test("changes nothing for what is no hash part", async () => {
    const tree = makeTree(tempDir());
    const before = lstatSync(tree);
    await expect(canonicaliseAndScanTree(tree, ["x"])).rejects.toThrow("'x' is not the hash part");
    expect([lstatSync(tree).mode, lstatSync(tree).mtimeMs]).toEqual([before.mode, before.mtimeMs]);
  });
});

describe("copyTree, moveTree, removeTree, statTree", () => {
  test("a copy hashes as its source", async () => {
    const dir = tempDir();
    const tree = makeTree(dir);
    await copyTree(tree, `${dir}/copy`);
    expect(await hashTree(`${dir}/copy`)).toEqual(await hashTree(tree));
    expect(readlinkSync(`${dir}/copy/inner/link`)).toBe("../plain");
  });

  test("neither copies nor moves to a name that is taken", async () => {
    const dir = tempDir();
    const tree = makeTree(dir);
    mkdirSync(`${dir}/taken`);
    const refusal = { code: "ERR_TREE_EXISTS", path: `${dir}/taken` };
    await expect(copyTree(tree, `${dir}/taken`)).rejects.toMatchObject(refusal);
    await expect(moveTree(tree, `${dir}/taken`)).rejects.toMatchObject(refusal);
    expect(existsSync(`${tree}/plain`)).toBe(true);
  });

  test("refuses to copy a pipe and leaves nothing behind", async () => {
    const dir = tempDir();
    const tree = makeTree(dir);
    expect(spawnSync("mkfifo", [`${tree}/pipe`]).status).toBe(0);
    await expect(copyTree(tree, `${dir}/copy`)).rejects.toMatchObject({
      code: "ERR_TREE_TYPE",
      message: `file '${tree}/pipe' has an unsupported type`,
    });
    expect(await statTree(`${dir}/copy`)).toBeUndefined();
  });

  test("moves a canonical tree and removes it", async () => {
    const dir = tempDir();
    const tree = makeTree(dir);
    mkdirSync(`${dir}/store`);
    await canonicaliseTree(tree);
    await moveTree(tree, `${dir}/store/x`);
    expect(await statTree(tree)).toBeUndefined();
    expect(await statTree(`${dir}/store/x`)).toEqual({
      type: "directory",
      mode: 0o40555,
      uid: process.getuid?.(),
      sizeBytes: statSync(`${dir}/store/x`).size,
    });
    await removeTree(`${dir}/store/x`);
    await removeTree(`${dir}/store/x`);
    expect(await statTree(`${dir}/store/x`)).toBeUndefined();
  });

  test("leaves what it had not reached when the signal came", async () => {
    const tree = makeTree(tempDir());
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(removeTree(tree, { signal })).rejects.toThrow("enough");
    expect(await statTree(tree)).toBeDefined();
  });

  test("replaces what is there; that is where the new tree was", async () => {
    const dir = tempDir();
    const tree = makeTree(dir);
    const hash = await hashTree(tree);
    mkdirSync(`${dir}/place`);
    await replaceTree(tree, `${dir}/place`);
    expect(await hashTree(`${dir}/place`)).toEqual(hash);
    expect(readdirSync(tree)).toEqual([]);
    await removeTree(tree);
    await replaceTree(`${dir}/place`, tree);
    expect(await statTree(`${dir}/place`)).toBeUndefined();
  });

  test("sees the top only, and a link as a link", async () => {
    const tree = makeTree(tempDir());
    expect(await statTree(`${tree}/inner/link`)).toMatchObject({ type: "symlink", sizeBytes: 8 });
    expect(await statTree(`${tree}/plain`)).toMatchObject({ type: "regular", sizeBytes: 5 });
    expect(await statTree("/dev/null")).toMatchObject({ type: "other" });
    expect(await statTree(`${tree}/plain/below`)).toBeUndefined();
  });
});

describe.each([
  { codec: "bzip2", compress: compressBzip2, decompress: decompressBzip2, code: "ERR_BZIP2_DATA" },
  { codec: "zstd", compress: compressZstd, decompress: decompressZstd, code: "ERR_ZSTD_DATA" },
])("$codec", ({ codec, compress, decompress, code }) => {
  test("decompresses in chunks what it compressed", async () => {
    const dir = tempDir();
    const text = Buffer.from("a line of a log\n".repeat(60_000));
    writeFileSync(`${dir}/log`, text);
    await compress(`${dir}/log`, `${dir}/packed`);
    expect(statSync(`${dir}/packed`).size).toBeLessThan(text.length / 100);
    const chunks: number[] = [];
    for await (const chunk of decompress(`${dir}/packed`)) chunks.push(chunk.length);
    expect(Math.max(...chunks)).toBeLessThanOrEqual(256 * 1024);
    expect(text.equals(await collect(decompress(`${dir}/packed`)))).toBe(true);
  });

  test("refuses a file that ends early, and one that is something else", async () => {
    const dir = tempDir();
    writeFileSync(`${dir}/log`, "text");
    await compress(`${dir}/log`, `${dir}/packed`);
    writeFileSync(`${dir}/short`, readFileSync(`${dir}/packed`).subarray(0, -3));
    for (const path of [`${dir}/short`, `${dir}/log`]) {
      await expect(collect(decompress(path))).rejects.toMatchObject({
        code,
        message: expect.stringMatching(
          new RegExp(`^${codec} data in '${path}' (ends early|is damaged)`, "u"),
        ),
        path,
      });
    }
  });

  test("needs no more memory for a large file than for a small one", async () => {
    const dir = tempDir();
    writeFileSync(`${dir}/log`, Buffer.alloc(64_000_000, "all of it is the same\n"));
    await compress(`${dir}/log`, `${dir}/packed`);
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    collectGarbage();
    const before = process.memoryUsage().rss;
    let [length, count, highest] = [0, 0, 0];
    for await (const chunk of decompress(`${dir}/packed`)) {
      length += chunk.length;
      // Chunks that were read are garbage that the engine of JavaScript takes its time to collect.
      if (++count % 16 === 0) collectGarbage();
      highest = Math.max(highest, process.memoryUsage().rss);
    }
    expect(length).toBe(64_000_000);
    expect(highest - before).toBeLessThan(32_000_000);
  });
});
