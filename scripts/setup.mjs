// Installs the dependencies, builds the addon and the packages. Does nothing that is done already.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mustRun, root } from "./run.mjs";

/** Packages in the order of their dependencies; those in one row build side by side. */
const rows = [["drv-parser", "nar"], ["narinfo"], ["goal", "store-lmdb"], ["engine"], ["cli"]];
const pnpmVersion = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).packageManager.split("@")[1];

export async function setup({ log = console.log } = {}) {
  requireNode();
  await install(log);
  await requireCargo();
  await buildNative("script", log); // others read its types
  const packages = (async () => {
    for (const row of rows) await Promise.all(row.map((name) => buildPackage(name, log)));
  })();
  await Promise.all([buildNative("addon", log), packages]);
}

function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    throw new Error(`drvkit needs Node 20.19 or later; this is ${process.version}`);
}

async function requireCargo() {
  if (existsSync(join(root, "packages/sandbox-native/native/sandbox-native.linux-x64-gnu.node"))) return;
  try {
    await mustRun("cargo", ["--version"]);
  } catch {
    throw new Error("drvkit compiles its sandbox here and needs Rust: install cargo, then run this again");
  }
}

async function install(log) {
  const stamp = join(root, "node_modules/.drvkit-installed");
  const digest = createHash("sha256");
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json"])
    digest.update(readFileSync(join(root, file)));
  for (const name of readdirSync(join(root, "packages")).sort()) {
    const manifest = join(root, "packages", name, "package.json");
    if (existsSync(manifest)) digest.update(readFileSync(manifest));
  }
  const wanted = digest.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  log("installing dependencies …");
  await mustRun("npx", ["--yes", `pnpm@${pnpmVersion}`, "install", "--frozen-lockfile", "--ignore-scripts"], {
    env: { ...process.env, CI: "true" },
  });
  writeFileSync(stamp, wanted);
}

async function buildNative(part, log) {
  const started = Date.now();
  if (part === "addon") log("compiling the addon, if it is not up to date …");
  await mustRun("node", ["scripts/build.mjs", part], { cwd: join(root, "packages/sandbox-native") });
  if (Date.now() - started > 3000)
    log(`built sandbox-native (${part}) in ${Math.round((Date.now() - started) / 1000)} s`);
}

async function buildPackage(name, log) {
  const folder = join(root, "packages", name);
  const stamp = join(folder, "dist/.built");
  const sources = [join(folder, "src"), join(folder, "package.json"), join(folder, "tsup.config.ts")];
  const newest = Math.max(...sources.map(newestChange), ...dependencyStamps(folder));
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= newest) return;
  await mustRun(join(root, "node_modules/.bin/tsup"), ["--silent"], { cwd: folder });
  writeFileSync(stamp, "");
  log(`built ${name}`);
}

/** A package is built again when one that it uses was. */
function dependencyStamps(folder) {
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return Object.keys(dependencies)
    .filter((name) => name.startsWith("@drvkit/"))
    .map((name) => join(root, "packages", name.slice("@drvkit/".length), "dist/.built"))
    .filter((stamp) => existsSync(stamp))
    .map((stamp) => statSync(stamp).mtimeMs);
}

function newestChange(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

if (import.meta.url === `file://${process.argv[1]}`) {
  try {
    await setup();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
