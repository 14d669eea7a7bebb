import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLong } from "../../../tests/properties.js";
import { dumpTree, hashTreeModulo, rewriteTree, scanTree } from "../ts/index.js";
import {
  emptyTrees,
  hashParts,
  largeTree,
  namesInOrder,
  replaceNaively,
  rewrites,
  rewritten,
  treeWithReferences,
} from "./references-fixture.js";
import { archiveOf, collect, restore, type TreeNode, tempDir } from "./trees-fixture.js";

const runs = { small: isLong ? 2000 : 60, large: isLong ? 500 : 40 };
const timeout = 600_000;

const kinds = [
  { what: "any tree", tree: fc.oneof(emptyTrees, treeWithReferences), numRuns: runs.small },
  { what: "a tree that is read in several pieces", tree: largeTree, numRuns: runs.large },
];

/** Checks many trees, each of them on disk and as the archive that it should have. */
async function holdsOnDisk(
  { tree, numRuns }: (typeof kinds)[number],
  check: (path: string, archive: Buffer, tree: TreeNode) => Promise<void>,
): Promise<void> {
  const dir = tempDir();
  let number = 0;
  await fc.assert(
    fc.asyncProperty(tree, async (one) => {
      number += 1;
      const path = `${dir}/${number}`;
      restore(one, Buffer.from(path));
      await check(path, archiveOf(one), one);
    }),
    { numRuns },
  );
}

describe.each(kinds)("$what", (kind) => {
  test("refers to what a search of its whole archive finds", { timeout }, async () => {
    await holdsOnDisk(kind, async (path, archive) => {
      const { found, narHash, narSizeBytes } = await scanTree(path, hashParts);
      expect(found).toEqual([...hashParts].sort().filter((part) => archive.includes(part)));
      expect(Buffer.from(narHash)).toEqual(sha256(archive));
      expect(narSizeBytes).toBe(archive.length);
    });
  });

  test("is rewritten as its whole archive is, or refused when its names lose their order", {
    timeout,
  }, async () => {
    await holdsOnDisk(kind, async (path, archive, tree) => {
      const rewriting = rewriteTree(path, `${path}-rewritten`, rewrites);
      if (!namesInOrder(rewritten(tree))) {
        await expect(rewriting).rejects.toMatchObject({ code: "ERR_TREE_ARCHIVE" });
        return;
      }
      await rewriting;
      const { bytes } = replaceNaively(archive, rewrites);
      const copied = await collect(dumpTree(`${path}-rewritten`));
      expect(copied.length).toBe(archive.length);
      expect(copied.equals(bytes)).toBe(true);
    });
  });

  test.each(hashParts)("has the hash without '%s' that is defined", { timeout }, async (part) => {
    await holdsOnDisk(kind, async (path, archive) => {
      const { bytes, offsets } = replaceNaively(archive, new Map([[part, "\0".repeat(32)]]));
      const text = offsets.map((offset) => `|${offset}`).join("");
      const expected = sha256(Buffer.concat([bytes, Buffer.from(text)]));
      expect(Buffer.from(await hashTreeModulo(path, part))).toEqual(expected);
    });
  });
});

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}
