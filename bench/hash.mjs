import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dumpTree, hashTree, scanTree } from "../packages/sandbox-native/dist/index.js";
import { interleave, report } from "./measure.mjs";

const megabyte = 1 << 20;

export async function bench() {
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  const tree = join(folder, "tree");
  const nar = join(folder, "tree.nar");
  makeTree(tree);
  const file = openSync(nar, "w");
  for await (const chunk of dumpTree(tree)) writeSync(file, chunk);
  closeSync(file);

  const openssl = () =>
    execFileSync("openssl", ["dgst", "-sha256", "-r", nar], { encoding: "utf8" }).slice(0, 64);
  const ours = Buffer.from((await hashTree(tree)).digest).toString("hex");
  if (ours !== openssl()) throw new Error("hashTree and openssl disagree");
  const hashParts = Array.from({ length: 100 }, (_, index) =>
    nixAlphabet(createHash("sha256").update(String(index)).digest()),
  );

  const times = await interleave(
    {
      hashTree: () => hashTree(tree),
      "scanTree for 100 references": () => scanTree(tree, hashParts),
      "openssl sha256 of the same bytes": () => openssl(),
    },
    7,
  );
  report("NAR hash of a tree of 500 MB", times);
  rmSync(folder, { recursive: true, force: true });
}

/** 400 files of 1 MB, 10,000 of 10 kB. */
function makeTree(tree) {
  const block = randomBytes(megabyte);
  for (let folder = 0; folder < 100; folder += 1) {
    const path = join(tree, `folder-${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 4; file += 1) writeFileSync(join(path, `large-${file}`), block);
    for (let file = 0; file < 100; file += 1)
      writeFileSync(join(path, `small-${file}`), block.subarray(file, file + 10_000));
  }
}

function nixAlphabet(bytes) {
  const alphabet = "0123456789abcdfghijklmnpqrsvwxyz";
  return [...bytes]
    .map((byte) => alphabet[byte & 31])
    .join("")
    .slice(0, 32);
}
