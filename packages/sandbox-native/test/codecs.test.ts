import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import {
  type Codec,
  compress,
  compressFile,
  decompress,
  decompressFile,
  dumpTree,
  hashTree,
  restoreTree,
} from "../ts/trees.js";
import { growthWhile, openFiles } from "./process-fixture.js";
import { collect, tempDir } from "./trees-fixture.js";

const formats = [
  { codec: "xz", code: "ERR_XZ_DATA", name: "xz" },
  { codec: "zstd", code: "ERR_ZSTD_DATA", name: "zstd" },
  { codec: "bzip2", code: "ERR_BZIP2_DATA", name: "bzip2" },
  { codec: "gzip", code: "ERR_GZIP_DATA", name: "gzip" },
  { codec: "br", code: "ERR_BROTLI_DATA", name: "brotli" },
  { codec: "lz4", code: "ERR_LZ4_DATA", name: "lz4" },
] as const;

function makeTree(dir: string): string {
  mkdirSync(`${dir}/tree/inner`, { recursive: true });
  writeFileSync(`${dir}/tree/text`, "the same again and again\n".repeat(20_000));
  writeFileSync(`${dir}/tree/inner/noise`, randomBytes(700_000));
  return `${dir}/tree`;
}

/** In pieces of an odd size. */
async function* piecesOf(bytes: Uint8Array, length = 9973) {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

describe.each(formats)("$name", ({ codec, code, name }) => {
  test("packs an archive and restores it, through files, through memory and in one way", async () => {
    const dir = tempDir();
    const tree = makeTree(dir);
    const { digest, sizeBytes } = await hashTree(tree);
    const expected = { narHash: digest, narSizeBytes: sizeBytes };
    await pipeline(compress(codec, dumpTree(tree)), createWriteStream(`${dir}/packed`));
    expect(await restoreTree(decompress(codec, `${dir}/packed`), `${dir}/1`)).toEqual(expected);
    const packed = readFileSync(`${dir}/packed`);
    expect(await restoreTree(decompress(codec, piecesOf(packed)), `${dir}/2`)).toEqual(expected);
    expect(await restoreTree(decompress(codec, [packed]), `${dir}/3`)).toEqual(expected);
    const joined = decompress(codec, compress(codec, dumpTree(tree)));
    expect(await restoreTree(joined, `${dir}/4`)).toEqual(expected);
    for (const copy of [1, 2, 3, 4]) expect((await hashTree(`${dir}/${copy}`)).digest).toEqual(digest);
  });

  test("gives back what JavaScript gives it, in chunks of bounded size", async () => {
    const text = Buffer.from("a line of a log\n".repeat(60_000));
    const packed = await collect(compress(codec, piecesOf(text)));
    expect(packed.length).toBeLessThan(text.length / 50);
    const chunks: Uint8Array[] = [];
    for await (const chunk of decompress(codec, piecesOf(packed, 100))) chunks.push(chunk);
    expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThanOrEqual(256 * 1024);
    expect(text.equals(Buffer.concat(chunks))).toBe(true);
    expect(await collect(decompress(codec, compress(codec, [])))).toHaveLength(0);
  });

  test("refuses what ends early, goes on or is something else, and restores nothing of it", async () => {
    const dir = tempDir();
    const packed = await collect(compress(codec, dumpTree(makeTree(dir))));
    const [half, behind] = [packed.subarray(0, packed.length / 2), packed.length];
    for (const [bytes, message] of [
      [half, `${name} data ends early, at byte ${half.length}`],
      [new Uint8Array(), `${name} data ends early, at byte 0`],
      [
        Buffer.concat([packed, Buffer.from("something else that follows")]),
        `${name} data is followed by something else at byte ${behind}`,
      ],
      [Buffer.from("something else"), expect.stringContaining(`${name} data is damaged before byte `)],
    ] as const) {
      const refused = { code, message, path: undefined };
      await expect(restoreTree(decompress(codec, [bytes]), `${dir}/out`)).rejects.toMatchObject(refused);
      await expect(collect(decompress(codec, [bytes]))).rejects.toMatchObject(refused);
    }
    expect(readdirSync(dir)).toEqual(["tree"]);
  });

  test("stops at the declared size in flat memory, with and without JavaScript between", async () => {
    const dir = tempDir();
    const zeros = Buffer.alloc(1_000_000);
    async function* bomb() {
      for (let count = 0; count < 100; count++) yield zeros;
    }
    await pipeline(compress(codec, bomb(), { level: 1 }), createWriteStream(`${dir}/bomb`));
    const refused = { code: "ERR_CODEC_SIZE", path: `${dir}/bomb`, hint: expect.any(String) };
    const growth = await growthWhile(async () => {
      const stream = decompress(codec, `${dir}/bomb`, { maxBytes: 99_999_999 });
      await expect(discard(stream)).rejects.toMatchObject(refused);
      const small = decompress(codec, `${dir}/bomb`, { maxBytes: 1000 });
      await expect(restoreTree(small, `${dir}/out`)).rejects.toMatchObject(refused);
      const file = decompressFile(codec, `${dir}/bomb`, `${dir}/out`, { maxBytes: 1_000_000 });
      await expect(file).rejects.toMatchObject(refused);
    });
    expect(growth).toBeLessThan(40_000_000);
    expect(existsSync(`${dir}/out`)).toBe(false);
    expect(await discard(decompress(codec, `${dir}/bomb`, { maxBytes: 100_000_000 }))).toBe(100_000_000);
  });

  test("ends with the reason of its signal, also while its source keeps it waiting", async () => {
    const reason = new Error("enough");
    for (const act of [compress, decompress]) {
      const controller = new AbortController();
      let isAsked = () => {};
      const asked = new Promise<void>((resolve) => {
        isAsked = resolve;
      });
      async function* silent(): AsyncGenerator<Uint8Array> {
        isAsked();
        await new Promise(() => {});
      }
      const running = collect(act(codec, silent(), { signal: controller.signal }));
      await asked;
      controller.abort(reason);
      await expect(running).rejects.toBe(reason);
      await expect(collect(act(codec, [], { signal: controller.signal }))).rejects.toBe(reason);
    }
  });

  test("agrees with the program of its name", async () => {
    const text = Buffer.from("a line\n".repeat(10_000));
    const theirs = spawnSync(name, ["-c"], { input: text });
    if (theirs.error !== undefined) return; // not installed
    expect(text.equals(await collect(decompress(codec, [theirs.stdout])))).toBe(true);
    const ours = await collect(compress(codec, [text]));
    expect(text.equals(spawnSync(name, ["-d", "-c"], { input: ours }).stdout)).toBe(true);
  });
});

async function discard(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of chunks) length += chunk.length;
  return length;
}

test("a stream ends when any signal on its way is aborted", async () => {
  const dir = tempDir();
  const tree = makeTree(dir);
  const reason = new Error("enough");
  for (const which of [0, 1, 2]) {
    const controllers = [new AbortController(), new AbortController(), new AbortController()] as const;
    const [first, second, third] = controllers.map(({ signal }) => ({ signal }));
    const way = decompress("gzip", compress("gzip", dumpTree(tree, first), second), third);
    const rest = (async () => {
      for await (const _ of way) controllers[which]?.abort(reason);
    })();
    await expect(rest).rejects.toBe(reason);
  }
});

test("a restoration that is under way ends at its signal and leaves nothing", async () => {
  const dir = tempDir();
  mkdirSync(`${dir}/tree`);
  writeFileSync(`${dir}/tree/file`, randomBytes(40_000_000));
  const controller = new AbortController();
  const slow = decompress("xz", compress("xz", dumpTree(`${dir}/tree`)));
  const running = restoreTree(slow, `${dir}/out`, { signal: controller.signal });
  setImmediate(() => controller.abort());
  await expect(running).rejects.toMatchObject({ name: "AbortError" });
  expect(readdirSync(dir)).toEqual(["tree"]);
});

test("what a source throws is thrown, the source is closed and nothing is left open", async () => {
  const dir = tempDir();
  const before = openFiles();
  let closed = 0;
  async function* failing(): AsyncGenerator<Uint8Array> {
    try {
      yield Buffer.from("x");
      throw new Error("the network went away");
    } finally {
      closed++;
    }
  }
  await expect(restoreTree(decompress("xz", failing()), `${dir}/out`)).rejects.toThrow(/xz data|network/u);
  await expect(collect(compress("xz", failing()))).rejects.toThrow("the network went away");
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield randomBytes(100_000);
    } finally {
      closed++;
    }
  }
  for await (const chunk of compress("lz4", endless())) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  expect(closed).toBe(3);
  expect(openFiles()).toEqual(before);
});

test("what is given may be changed once it was taken", async () => {
  const bytes = Buffer.alloc(300_000, "a");
  async function* reused() {
    for (const letter of ["a", "b", "c"]) {
      bytes.fill(letter);
      yield bytes;
    }
  }
  const text = await collect(decompress("zstd", compress("zstd", reused())));
  expect(text.toString()).toBe(["a", "b", "c"].map((letter) => letter.repeat(300_000)).join(""));
});

test("xz and zstd data that demands more memory than allowed is refused", async () => {
  const packed = await collect(compress("xz", [Buffer.alloc(1000)], { level: 9 }));
  const allowed = (maxMemoryBytes: number) => discard(decompress("xz", [packed], { maxMemoryBytes }));
  await expect(allowed(32 << 20)).rejects.toMatchObject({
    code: "ERR_CODEC_MEMORY",
    message: `xz data demands more than ${32 << 20} bytes of memory`,
    hint: expect.any(String),
  });
  expect(await allowed(128 << 20)).toBe(1000);
  // The header of a frame that asks for a window of 2 GiB.
  const greedy = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0]);
  await expect(discard(decompress("zstd", [greedy]))).rejects.toMatchObject({ code: "ERR_CODEC_MEMORY" });
});

test("files are compressed and decompressed; a failure leaves no part of the target", async () => {
  const dir = tempDir();
  writeFileSync(`${dir}/log`, randomBytes(200_000));
  await compressFile("xz", `${dir}/log`, `${dir}/log.xz`, { level: 0 });
  await decompressFile("xz", `${dir}/log.xz`, `${dir}/again`);
  expect(readFileSync(`${dir}/again`).equals(readFileSync(`${dir}/log`))).toBe(true);
  await expect(decompressFile("gzip", `${dir}/log.xz`, `${dir}/out`)).rejects.toMatchObject({
    code: "ERR_GZIP_DATA",
    path: `${dir}/log.xz`,
  });
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(compressFile("xz", `${dir}/log`, `${dir}/out`, { signal })).rejects.toThrow("enough");
  await expect(compressFile("xz", `${dir}/absent`, `${dir}/out`)).rejects.toMatchObject({
    code: "ERR_TREE_IO",
    path: `${dir}/absent`,
  });
  expect(existsSync(`${dir}/out`)).toBe(false);
});

test("options that have no meaning are plain errors", async () => {
  const act = (codec: string, options: object) => collect(compress(codec as Codec, [], options));
  await expect(act("lzop", {})).rejects.toThrow("unknown compression method 'lzop'");
  await expect(act("xz", { level: 10 })).rejects.toThrow("xz has the levels 0 to 9, not 10");
  const sized = collect(decompress("xz", [], { maxBytes: -1 }));
  await expect(sized).rejects.toThrow("'-1' is no number of bytes");
});

test("nothing of it runs on the threads of Node", async () => {
  const dir = tempDir();
  const tree = makeTree(dir);
  expect(spawnSync("mkfifo", [`${dir}/fifo`]).status).toBe(0);
  const count = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4);
  // Each waits in a thread of Node's until somebody writes.
  const taken = Array.from({ length: count }, () => open(`${dir}/fifo`));
  for (const { codec } of formats) {
    await restoreTree(decompress(codec, compress(codec, dumpTree(tree), { level: 1 })), `${dir}/${codec}`);
    await compressFile(codec, `${dir}/${codec}/text`, `${dir}/packed`, { level: 1 });
  }
  expect(await hashTree(`${dir}/xz`)).toEqual(await hashTree(tree));
  closeSync(openSync(`${dir}/fifo`, "w"));
  for (const handle of await Promise.all(taken)) await handle.close();
});
