import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { listNar, parseNar, printNar, printNarListing } from "@drvkit/nar";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLong } from "../../../tests/properties.js";
import { dumpTree, hashTree, listTree, restoreTree, scanTree } from "../ts/trees.js";
import {
  collect,
  narListings,
  narMalformed,
  narVectors,
  restore,
  type TreeNode,
  tempDir,
  treeArbitrary,
} from "./trees-fixture.js";

const hasNix = spawnSync("nix-store", ["--version"]).status === 0;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const numRuns = isLong ? 2000 : 60;

interface OddTree {
  readonly tree: TreeNode;
  readonly modes: readonly number[];
  readonly depth: number;
}

/** A tree with permissions of any kind, of which the owner's execute bit counts alone, far below the top. */
const oddTree: fc.Arbitrary<OddTree> = fc.record({
  tree: treeArbitrary,
  modes: fc.array(fc.integer({ min: 0, max: 0o7777 }), { minLength: 1, maxLength: 5 }),
  depth: fc.constantFrom(0, 1, 30, 58),
});

/** Puts it on disk and returns where it is. */
function put({ tree, modes, depth }: OddTree): string {
  const top = `${tempDir()}/x`;
  const below = depth === 0 ? top : `${top}/${Array(depth).fill("d").join("/")}`;
  if (depth > 0) mkdirSync(below.slice(0, below.lastIndexOf("/")), { recursive: true });
  const bytes = Buffer.from(below);
  restore(tree, bytes);
  let count = 0;
  const change = (node: TreeNode, path: Buffer) => {
    // Whoever is not root must be able to read.
    const mode = ((modes[count++ % modes.length] ?? 0) & 0o7177) | 0o400;
    if (node.type === "regular") chmodSync(path, node.executable ? mode | 0o100 : mode & ~0o100);
    if (node.type !== "directory") return;
    for (const entry of node.entries)
      change(entry.node, Buffer.concat([path, Buffer.from("/"), Buffer.from(entry.nameBase64, "base64")]));
  };
  change(tree, bytes);
  return top;
}

const isText = (archive: Uint8Array) => {
  try {
    listNar(archive);
    return true;
  } catch {
    return false;
  }
};

test("trees are dumped, restored, hashed and listed as @drvkit/nar has them", async () => {
  await fc.assert(
    fc.asyncProperty(oddTree, async (odd) => {
      const path = put(odd);
      const dump = dumpTree(path, { scanFor: [] });
      const archive = await collect(dump);
      expect(Buffer.concat([...printNar(parseNar(archive))]).equals(archive)).toBe(true);
      expect(dump.scanned).toEqual(await scanTree(path, []));
      const again = await restoreTree([archive], `${path}-again`);
      expect({ ...again, found: [] }).toEqual(dump.scanned);
      expect(await hashTree(`${path}-again`)).toEqual(await hashTree(path));
      if (isText(archive)) expect(await listTree(path)).toEqual(listNar(archive));
      else await expect(listTree(path)).rejects.toMatchObject({ code: "ERR_TREE_NOT_UTF8" });
    }),
    { numRuns },
  );
});

test.skipIf(!hasNix)(
  `trees are dumped and hashed as by nix-store and nix-hash${hasNix ? "" : " (skipped: Nix is not installed)"}`,
  async () => {
    await fc.assert(
      fc.asyncProperty(oddTree, async (odd) => {
        const path = put(odd);
        const theirs = spawnSync("nix-store", ["--dump", path], { maxBuffer: 1 << 26 });
        expect(theirs.stdout.equals(await collect(dumpTree(path)))).toBe(true);
        const hash = spawnSync("nix-hash", ["--type", "sha256", path]).stdout.toString().trim();
        expect(hex((await hashTree(path)).digest)).toBe(hash);
        const { narHash } = await restoreTree([theirs.stdout], `${path}-again`);
        expect(hex(narHash)).toBe(hash);
        const restored = spawnSync("nix-store", ["--restore", `${path}-theirs`], { input: theirs.stdout });
        expect(restored.status).toBe(0);
        expect(await hashTree(`${path}-theirs`)).toEqual(await hashTree(`${path}-again`));
      }),
      { numRuns: isLong ? 300 : 10 },
    );
  },
);

describe.skipIf(narVectors.length === 0)("archives of the specification (skipped without ../shared)", () => {
  test.each(narVectors)("restores and lists $name", async ({ name, tree, narSize, narSha256Hex }) => {
    const path = `${tempDir()}/x`;
    restore(tree, Buffer.from(path));
    const dump = dumpTree(path, { scanFor: [] });
    const { narHash, narSizeBytes } = await restoreTree(dump, `${path}-again`);
    expect([hex(narHash), narSizeBytes]).toEqual([narSha256Hex, narSize]);
    expect(dump.scanned).toEqual({ narHash, narSizeBytes, found: [] });
    expect(hex((await hashTree(`${path}-again`)).digest)).toBe(narSha256Hex);
    const archive = await collect(dumpTree(path));
    if (!isText(archive)) return;
    const listing = await listTree(path);
    expect(listing).toEqual(listNar(archive));
    const theirs = narListings.find((each) => each.name === name);
    if (theirs) expect(JSON.parse(printNarListing(listing))).toEqual(JSON.parse(theirs.lsFile));
  });

  test.each(narMalformed)("restores nothing of $name", async ({ narBase64 }) => {
    const target = `${tempDir()}/x`;
    const restored = restoreTree([Buffer.from(narBase64, "base64")], target);
    await expect(restored).rejects.toMatchObject({ code: "ERR_TREE_ARCHIVE", path: target });
  });
});
