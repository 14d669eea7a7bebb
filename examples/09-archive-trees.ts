// Packs a tree as an archive and unpacks it elsewhere, in one pass each: npx jiti examples/09-archive-trees.ts TREE FOLDER
// Nothing but trees is used here: no store, no sandbox.
import { createWriteStream } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import {
  canonicaliseTree,
  compress,
  decompress,
  dumpTree,
  hashTree,
  listTree,
  restoreTree,
  type TreeListing,
} from "@drvkit/sandbox-native/trees";

const [tree = ".", folder = "."] = process.argv.slice(2);
const packed = join(folder, "tree.nar.zst");
const unpacked = join(folder, "tree");
await mkdir(folder, { recursive: true });

/** How many files there are. */
function count(listing: TreeListing): number {
  if (listing.type !== "directory") return 1;
  return [...listing.entries.values()].reduce((sum, entry) => sum + count(entry), 0);
}
console.log(`${count(await listTree(tree))} files`);

// The archive is hashed and searched for hash parts of store paths while it is made.
const hashPart = "0123456789abcdfghijklmnpqrsvwxyz";
const archive = dumpTree(tree, { scanFor: [hashPart] });
await pipeline(compress("zstd", archive, { level: 9 }), createWriteStream(packed));
const { scanned } = archive;
if (scanned === undefined) throw new Error("the archive was not read to its end");
console.log(`packed ${scanned.narSizeBytes} bytes into ${(await stat(packed)).size}`);
console.log(scanned.found.length > 0 ? `it names ${hashPart}` : "it names nothing");

// What is unpacked is refused as soon as it is larger than it should be, and appears when all of it is there.
const limits = { maxBytes: scanned.narSizeBytes, signal: AbortSignal.timeout(60_000) };
const restored = await restoreTree(decompress("zstd", packed, limits), unpacked, { sync: true });
await canonicaliseTree(unpacked);

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const hashes = [scanned.narHash, restored.narHash, (await hashTree(unpacked)).digest].map(hex);
console.log(new Set(hashes).size === 1 ? `sha256 ${hashes[0]}` : `not the same: ${hashes}`);
