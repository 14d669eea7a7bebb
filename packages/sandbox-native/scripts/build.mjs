// Builds the addon and the JavaScript of this package; does nothing where nothing changed. Cargo builds the helper
// executable on the way (sandbox/build.rs).
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packageDir = join(dirname(fileURLToPath(import.meta.url)), "..");
const at = (...parts) => join(packageDir, ...parts);

const rustSources = ["Cargo.toml", "Cargo.lock", "build.rs", "src", "helper", "sandbox", "trees", "os"];
const scriptSources = ["ts", "tsup.config.ts", "tsconfig.json", "package.json", "../../tsconfig.base.json"];

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

function newest(path) {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return 0;
  if (!status.isDirectory()) return status.mtimeMs;
  const inside = readdirSync(path)
    .filter((name) => name !== "target")
    .map((name) => newest(join(path, name)));
  return Math.max(0, ...inside);
}

function isFresh(made, sources) {
  const status = statSync(made, { throwIfNoEntry: false });
  return status !== undefined && Math.max(...sources.map((source) => newest(at(source)))) < status.mtimeMs;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: packageDir, stdio: "inherit" });
  if (error?.code === "ENOENT" && command === "cargo") {
    fail(
      "building @drvkit/sandbox-native needs Rust: install cargo (https://rustup.rs) and a C compiler, then run this again",
    );
  }
  if (error !== undefined) fail(`${command} cannot be started: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** Renamed into place: a running Node may have the old one mapped. */
function install(source, target) {
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, `${target}.new`);
  renameSync(`${target}.new`, target);
}

function triple() {
  const arch = { x64: "x64", arm64: "arm64" }[process.arch];
  if (process.platform !== "linux" || arch === undefined) return undefined;
  const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "gnu";
  return `linux-${arch}-${libc}`;
}

function buildAddon() {
  const platform = triple();
  if (platform === undefined) {
    process.stderr.write(
      `there is no addon for ${process.platform} on ${process.arch}: only the JavaScript is built\n`,
    );
    return;
  }
  const name = `sandbox-native.${platform}.node`;
  const targets = [at("native", name), at("npm", platform, name)];
  if (targets.every((target) => isFresh(target, rustSources))) return;
  run("cargo", ["build", "--release", "--locked"]);
  const targetDir = process.env.CARGO_TARGET_DIR ?? at("target");
  for (const target of targets) install(join(targetDir, "release", "libdrvkit_sandbox_native.so"), target);
}

function buildScript() {
  if (isFresh(at("dist/index.js"), scriptSources) && existsSync(at("dist/index.d.ts"))) return;
  run(process.execPath, [at("node_modules/tsup/dist/cli-default.js")]);
}

// `build.mjs addon` and `build.mjs script` build one of the two, so that a caller can do both side by side.
const [only] = process.argv.slice(2);
if (only !== "script") buildAddon();
if (only !== "addon") buildScript();
