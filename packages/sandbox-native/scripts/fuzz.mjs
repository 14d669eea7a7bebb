// Coverage-guided fuzzing of what reads foreign bytes: `node scripts/fuzz.mjs [--seconds 600] [TARGET…]`. It needs nightly and cargo-fuzz.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compressFile, dumpTree } from "../dist/trees.js";
import { packageDir, requireCommand, succeeds } from "./toolchain.mjs";

const codecs = { xz: "xz", zstd: "zstd", bzip2: "bzip2", gzip: "gzip", brotli: "br", lz4: "lz4" };
const all = ["restore", "scan", ...Object.keys(codecs)];
const { values, positionals } = parseArgs({
  options: { seconds: { type: "string", default: "600" } },
  allowPositionals: true,
});
const wanted = positionals.length > 0 ? positionals : all;

requireCommand("cargo", ["+nightly", "--version"], "cargo-fuzz needs cargo of the nightly toolchain");
requireCommand("cargo", ["+nightly", "fuzz", "--version"], "there is no cargo-fuzz");
const seeds = mkdtempSync(join(tmpdir(), "drvkit-seeds-"));
try {
  await makeSeeds();
  for (const name of wanted) if (!fuzz(name)) process.exitCode = 1;
} finally {
  rmSync(seeds, { recursive: true, force: true });
}

/** New inputs go to `fuzz/corpus`, those that fail to `fuzz/artifacts`. */
function fuzz(name) {
  console.log(`fuzzing ${name} for ${values.seconds} s`);
  const corpus = join(packageDir, "fuzz/corpus", name);
  mkdirSync(corpus, { recursive: true });
  const limits = [
    `-max_total_time=${values.seconds}`,
    "-max_len=8192",
    "-timeout=20",
    "-print_final_stats=1",
  ];
  const dictionary = name === "restore" ? [`-dict=${join(packageDir, "fuzz/restore.dict")}`] : [];
  const args = ["+nightly", "fuzz", "run", name, corpus, join(seeds, name), "--", ...limits, ...dictionary];
  return succeeds("cargo", args);
}

/** One input of each kind that is taken. */
async function makeSeeds() {
  for (const name of all) mkdirSync(join(seeds, name));
  const text = join(seeds, "text");
  writeFileSync(text, `/nix/store/${"0123456789abcdfghijklmnpqrsvwxyz"}-name\n`.repeat(20));
  for (const [name, codec] of Object.entries(codecs)) {
    await compressFile(codec, text, join(seeds, "packed"));
    // Before the bytes: how they are cut.
    writeFileSync(
      join(seeds, name, "text"),
      Buffer.concat([Buffer.from([20, 0]), readFileSync(join(seeds, "packed"))]),
    );
  }
  const tree = join(seeds, "tree");
  mkdirSync(join(tree, "directory"), { recursive: true });
  writeFileSync(join(tree, "directory/file"), "contents", { mode: 0o755 });
  const archive = [];
  for await (const chunk of dumpTree(tree)) archive.push(chunk);
  // Before the bytes: how they are cut and, for the search, what is searched for.
  writeFileSync(join(seeds, "restore/tree"), Buffer.concat([Buffer.from([255]), ...archive]));
  writeFileSync(join(seeds, "scan/tree"), Buffer.concat([Buffer.from([20, 0, 0]), ...archive]));
}
