import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { dumpTree, hashTree, hashTreeModulo, rewriteTree } from "../ts/index.js";
import { tempDir } from "./trees-fixture.js";

const before = "0c41ecb451zz0c41ecb451zz0c41ecb4";
const after = "1d52ydca562a1d52ydca562a1d52ydca";

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts).toString("latin1");
}

describe("a tree", () => {
  const makeTree = (hashPart: string) => {
    const tree = `${tempDir()}/tree`;
    mkdirSync(`${tree}/${hashPart}`, { recursive: true });
    writeFileSync(`${tree}/${hashPart}/file`, `${"x".repeat(70_000)}${hashPart}${hashPart}`);
    writeFileSync(`${tree}/program`, "#!", { mode: 0o755 });
    symlinkSync(`../${hashPart}/file`, `${tree}/link`);
    return tree;
  };

  test("is copied with other hash parts in files, names and links", async () => {
    const source = makeTree(before);
    const target = `${tempDir()}/copy`;
    await rewriteTree(source, target, new Map([[before, after]]));
    expect(readdirSync(target)).toEqual([after, "link", "program"]);
    expect(readFileSync(`${target}/${after}/file`, "latin1").slice(70_000)).toBe(after + after);
    expect(readlinkSync(`${target}/link`)).toBe(`../${after}/file`);
    expect(await hashTree(target)).toEqual(await hashTree(makeTree(after)));
  });

  test("has a hash that does not depend on its own name", async () => {
    const bytes = Buffer.from(await textOf(dumpTree(makeTree(before))), "latin1");
    const offsets: number[] = [];
    for (let at = bytes.indexOf(before); at >= 0; at = bytes.indexOf(before, at + 32)) {
      offsets.push(at);
      bytes.fill(0, at, at + 32);
    }
    expect(offsets).toHaveLength(4);
    const expected = createHash("sha256").update(bytes);
    for (const offset of offsets) expected.update(`|${offset}`);
    const digest = await hashTreeModulo(makeTree(before), before);
    expect(Buffer.from(digest)).toEqual(expected.digest());
    expect(await hashTreeModulo(makeTree(after), after)).toEqual(digest);
    expect(await hashTreeModulo(makeTree(after), before)).toEqual((await hashTree(makeTree(after))).digest);
  });

  test("is neither copied nor hashed once the signal says so", async () => {
    const tree = makeTree(before);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(hashTreeModulo(tree, before, { signal })).rejects.toThrow("enough");
    const target = `${tempDir()}/copy`;
    await expect(rewriteTree(tree, target, new Map(), { signal })).rejects.toThrow("enough");
    expect(() => readdirSync(target)).toThrow("ENOENT");
  });

  test("is not copied with texts of other lengths", async () => {
    const target = `${tempDir()}/copy`;
    const call = rewriteTree(makeTree(before), target, new Map([[before, "shorter"]]));
    await expect(call).rejects.toThrow("texts to replace are all of one length, and not empty");
    expect(() => readdirSync(target)).toThrow("ENOENT");
    await expect(hashTreeModulo(makeTree(before), "")).rejects.toThrow("texts to replace");
  });
});
