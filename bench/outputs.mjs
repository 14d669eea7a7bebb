import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { encodeNixBase32 } from "../packages/drv-parser/dist/index.js";
import { canonicaliseTree, moveTree, removeTree, scanTree } from "../packages/sandbox-native/dist/index.js";
import { interleave, report } from "./measure.mjs";

const exec = promisify(execFile);
const [files, candidates, rounds] = [20_000, 1000, 7];

/** What is done with an output once its builder has ended, against copying the same tree. */
export async function bench() {
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  const tree = join(folder, "tree");
  const parts = Array.from({ length: candidates }, () => encodeNixBase32(randomBytes(20)));
  makeTree(tree, parts);
  let [made, copied] = [0, 0];
  const times = await interleave(
    {
      "drvkit: canonical, hashed, scanned, moved": {
        before: () => exec("cp", ["-r", tree, join(folder, `output-${made}`)]),
        run: async () => {
          const output = join(folder, `output-${made}`);
          await canonicaliseTree(output);
          const { found } = await scanTree(output, parts);
          if (found.length === 0) throw new Error("no reference was found");
          await moveTree(output, join(folder, `object-${made++}`));
        },
      },
      "cp -r": () => exec("cp", ["-r", tree, join(folder, `copy-${copied++}`)]),
    },
    rounds,
  );
  report(`an output of ${files} files with ${candidates} candidates, against cp -r`, times);
  await removeTree(folder);
}

/** Small files in folders of a hundred, one in ten of which has a reference. */
function makeTree(tree, parts) {
  for (let file = 0; file < files; file += 1) {
    const folder = join(tree, `folder-${Math.floor(file / 100)}`);
    if (file % 100 === 0) mkdirSync(folder, { recursive: true });
    const reference = file % 10 === 0 ? `/nix/store/${parts[file % parts.length]}-x\n` : "";
    writeFileSync(
      join(folder, `file-${file}`),
      reference + randomBytes(2000 + (file % 7) * 3000).toString("latin1"),
    );
  }
}
