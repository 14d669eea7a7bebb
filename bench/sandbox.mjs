import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { baseNameOf, derivation } from "../packages/drv-parser/dist/index.js";
import { openEngine } from "../packages/engine/dist/index.js";
import { removeTree } from "../packages/sandbox-native/dist/index.js";
import { binds, bwrapArguments } from "./bwrap.mjs";
import { interleave, report, skip } from "./measure.mjs";

const exec = promisify(execFile);
const title =
  "one trivial sandboxed build within one process, against bwrap --unshare-all with the same binds";

export async function bench() {
  try {
    execFileSync("bwrap", ["--version"]);
  } catch {
    return skip(title, "bwrap is not installed");
  }
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  const drvs = join(folder, "drvs");
  mkdirSync(drvs);
  let count = 0;
  const next = () => write(drvs, `trivial-${count++}`);
  const open = (jobs) =>
    openEngine({
      store: join(folder, "store"),
      settings: { "sandbox-paths": binds.join(" "), "max-jobs": String(jobs) },
    });

  const engine = await open(1);
  const one = await interleave(
    {
      "drvkit, .drv file to registered": () => mustBuild(engine, [next()]),
      bwrap: () => bwrap(folder),
    },
    30,
  );
  report(title, one);
  await engine.close();

  const two = await open(2);
  const hundred = await interleave(
    {
      "drvkit, --max-jobs 2": () => mustBuild(two, Array.from({ length: 100 }, next)),
      "bwrap, two at a time": () =>
        Promise.all(
          [1, 2].map(async () => {
            for (let done = 0; done < 50; done += 1) await bwrap(folder);
          }),
        ),
    },
    3,
  );
  report("100 trivial builds with 2 jobs", hundred);
  await two.close();
  await removeTree(folder);
  rmSync(folder, { recursive: true, force: true });
}

async function mustBuild(engine, files) {
  const { exitStatus } = await engine.build(files).result;
  if (exitStatus !== 0) throw new Error("a trivial build failed; see `drv doctor`");
}

let bound = 0;
async function bwrap(folder) {
  const out = join(folder, `bwrap-${bound++}`);
  mkdirSync(out);
  await exec("bwrap", [...bwrapArguments(out, "/out"), "/bin/sh", "-c", "echo x > /out/x"]);
}

/** A derivation whose builder writes one line; its file. */
function write(folder, name) {
  const drv = derivation({ name, system: "x86_64-linux", builder: "/bin/sh", args: ["-c", "echo x > $out"] });
  const file = join(folder, baseNameOf(drv.drvPath));
  writeFileSync(file, drv.bytes);
  return file;
}
