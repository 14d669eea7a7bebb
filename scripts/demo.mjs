// Sets up, builds the example project in the sandbox, changes it, breaks it, and shows what is done each time.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { mustRun, root, run } from "./run.mjs";
import { setup } from "./setup.mjs";

const folder = join(root, ".cache/demo");
const drv = join(root, "node_modules/.bin/drv");
const project = join(folder, "project");
const bundle = `${relative(root, project)}/drvkit.ts#bundle`;
const bold = (text) => (process.stdout.isTTY && !process.env.NO_COLOR ? `\u001b[1m${text}\u001b[0m` : text);

try {
  await setup();
  await removeStore();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, "examples/project"), project, { recursive: true });

  const link = join(folder, "result");
  const build = ["build", bundle, "--out-link", relative(root, link)];
  await show("A C library, a program, its tests and a page, all in examples/project/drvkit.ts:", build);
  console.log(`\n${bold("The program that was built runs:")}\n$ echo 'Hello, world' | words`);
  process.stdout.write(
    await mustRun("sh", ["-c", 'echo "Hello, world" | "$1"', "sh", join(link, "bin/words")]),
  );

  await show("The same again: everything is valid, nothing is built.", build);

  edit("app/main.c", "65536", "131072");
  await show("One line of app/main.c changed: only what depends on it is built, no test.", build);

  edit("lib/split.c", "isalpha", "isalnum");
  await show("A mistake in lib/split.c: a test fails, and nothing that needs it is built.", build, 100);

  const report = [`${relative(root, project)}/drvkit.ts#report`, "--store", join(folder, "store")];
  const drvPath = await mustRun(drv, ["instantiate", ...report]);
  await show("The whole log of the tests, whenever you like:", ["log", drvPath.trim()]);
  console.log(`\nNext: ${bold("npx drv build --help")}, ${bold("npx drv doctor")}, README.md`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/** The machine's compiler, and this Node where it is not among the machine's tools. */
function flags() {
  const node = process.execPath.startsWith("/usr/") ? [] : ["--extra-sandbox-paths", process.execPath];
  return ["--store", join(folder, "store"), "--host-tools", ...node];
}

/** Shows a command and runs it; the demonstration ends when it does not end as expected. */
async function show(title, args, expected = 0) {
  console.log(`\n${bold(title)}\n$ drv ${args.join(" ")}`);
  const started = performance.now();
  const { code } = await run(drv, [...args, ...flags()]);
  if (code !== expected)
    throw new Error("the demonstration failed; `npx drv doctor` says what this machine lacks");
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(expected === 0 ? `(${seconds} s)` : `(exit code ${code}, ${seconds} s)`);
}

function edit(file, from, to) {
  const path = join(project, file);
  const text = readFileSync(path, "utf8");
  if (!text.includes(from)) throw new Error(`'${file}' has no ${from}`);
  writeFileSync(path, text.replace(from, to));
}

/** Store objects are read-only folders: only their owner may make them writable to delete them. */
async function removeStore() {
  const { removeTree } = await import("../packages/sandbox-native/dist/index.js");
  await removeTree(join(folder, "store"));
}
