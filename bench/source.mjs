import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { openEngine } from "../packages/engine/dist/index.js";
import { removeTree } from "../packages/sandbox-native/dist/index.js";
import { interleave, report } from "./measure.mjs";

/** A source of 5,000 files that is added for the first time, and that is as it was. */
export async function bench() {
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  try {
    await measure(folder);
  } finally {
    await removeTree(folder);
  }
}

async function measure(folder) {
  const tree = join(folder, "tree");
  makeTree(tree);
  await setTimeout(2500); // younger files are read each time
  const engine = await openEngine({ store: join(folder, "store"), env: {} });
  const exclude = ["*.o"];
  await engine.source(tree, { exclude });
  let count = 0;
  const times = await interleave(
    {
      "for the first time": () => engine.source(tree, { exclude, name: `tree-${count++}` }),
      "as it was": () => engine.source(tree, { exclude }),
    },
    7,
  );
  await engine.close();
  report("source of 5,000 files of 4 kB", times);
}

function makeTree(tree) {
  const text = "x".repeat(4000);
  for (let folder = 0; folder < 50; folder += 1) {
    mkdirSync(join(tree, `folder-${folder}`), { recursive: true });
    for (let file = 0; file < 100; file += 1)
      writeFileSync(join(tree, `folder-${folder}/file-${file}`), `${folder} ${file} ${text}`);
  }
}
