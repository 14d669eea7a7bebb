// Sets up, builds the example graph in the sandbox, and shows what a second run does.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { mustRun, root, run } from "./run.mjs";
import { setup } from "./setup.mjs";

const folder = join(root, ".cache/demo");
const drv = join(root, "node_modules/.bin/drv");
const bold = (text) => (process.stdout.isTTY && !process.env.NO_COLOR ? `\u001b[1m${text}\u001b[0m` : text);

try {
  await setup();
  rmSync(join(folder, "drvs"), { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await removeStore();

  const example = ["examples/01-make-derivations.ts", join(folder, "drvs")];
  const file = (await mustRun(join(root, "node_modules/.bin/jiti"), example)).trim();

  await show(
    "Five derivations, written by examples/01-make-derivations.ts, built in the sandbox:",
    ["build", file, "-L", "--no-link"],
    { max: 2 },
  );
  await show("The same again: everything is valid, nothing is built.", [
    "build",
    file,
    "--out-link",
    join(folder, "result"),
  ]);
  console.log(`\n${bold("What came out:")}\n${readFileSync(join(folder, "result"), "utf8").trim()}`);
  await show("What the store knows of it:", ["path-info", join(folder, "result")]);
  console.log(`\nNext: ${bold("npx drv build --help")}, ${bold("npx drv doctor")}, README.md`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

async function show(title, args, { max = 1 } = {}) {
  const flags = ["--store", join(folder, "store"), "--max-jobs", String(max)];
  const shown = args.map((arg) => arg.replace(`${root}`, ""));
  console.log(`\n${bold(title)}\n$ drv ${shown.join(" ")}`);
  const started = performance.now();
  const { ok } = await run(drv, [...args, ...flags]);
  if (!ok) throw new Error("the demonstration failed; `npx drv doctor` says what this machine lacks");
  console.log(`(${((performance.now() - started) / 1000).toFixed(1)} s)`);
}

/** Store objects are read-only folders: only their owner may make them writable to delete them. */
async function removeStore() {
  const { removeTree } = await import("../packages/sandbox-native/dist/index.js");
  await removeTree(join(folder, "store"));
}
