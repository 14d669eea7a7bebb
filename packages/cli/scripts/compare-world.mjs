// Builds the same derivations with Nix and with `drv` and says what differs in what their builders see. Needs `nix-store` (2.8),
// `cc` and a machine that can build; who runs it is who builds. `--show` prints every key of both sides.
// Run: node packages/cli/scripts/compare-world.mjs [--show]
import { execFile } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { removeTree } from "@drvkit/sandbox-native";
import { cases, expression, impure } from "./world/cases.mjs";
import { explained } from "./world/explained.mjs";

const { show } = parseArgs({ options: { show: { type: "boolean" } } }).values;
const folder = mkdtempSync(join(tmpdir(), "drvkit-world-"));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const user = process.getuid() === 0 ? "root" : "ordinary";
const world = join(folder, "world");
const ourStore = join(folder, "ours");
const nixStore = join(folder, "nix");
const sandboxPaths = [
  `/bin/world=${world}`,
  `/folder=${join(folder, "shown")}`,
  `/shared=${join(folder, "shared")}`,
  `/link=${join(folder, "link")}`,
  `/absent=${join(folder, "absent")}?`,
].join(" ");

try {
  chmodSync(folder, 0o755);
  // Values that are no text.
  const bytes = Buffer.from(expression).toString("latin1").replaceAll("BYTES", "\xff\xfe\xc3(");
  writeFileSync(join(folder, "default.nix"), bytes, "latin1");
  mkdirSync(join(folder, "shown"));
  for (const name of ["shown/file", "shared"]) writeFileSync(join(folder, name), "");
  symlinkSync("shared", join(folder, "link"));
  await run("cc", ["-static", "-O1", "-o", world, here("world/builder.c")]);
  for (const each of cases) {
    const drv = (
      await nix("nix-instantiate", [join(folder, "default.nix"), "-A", each.attribute])
    ).stdout.trim();
    const theirs = readReport(await withNix(drv, each));
    const ours = readReport(await withDrv(drv, each));
    if (report(each, theirs, ours)) process.exitCode = 1;
  }
} finally {
  await removeTree(folder);
}

/** Prints what differs in one case; whether something does that nobody has explained, or something explained does not. */
function report({ name, attribute }, theirs, ours) {
  const keys = [...new Set([...theirs.keys(), ...ours.keys()])].sort();
  const differing = keys.filter((key) => theirs.get(key) !== ours.get(key));
  const rules = explained.filter(
    (rule) =>
      (rule.cases ?? ["world", "world32", "fixedWorld"]).includes(attribute) && (rule.user ?? user) === user,
  );
  const explains = (rule) => differing.filter((key) => rule.keys.includes(key));
  const loose = differing.filter((key) => !rules.some((rule) => rule.keys.includes(key)));
  const stale = rules.flatMap(({ keys: its, unless }) =>
    its.filter((key) => !differing.includes(key) && unless?.test(theirs.get(key) ?? "-") !== true),
  );
  console.log(
    `${name}, ${user}: ${keys.length} keys, ${loose.length} differ, ${stale.length} explained and equal`,
  );
  const both = (key) => `    nix: ${theirs.get(key) ?? "-"}\n    drv: ${ours.get(key) ?? "-"}`;
  for (const rule of rules)
    console.log(
      `  explained, ${explains(rule).length} keys: ${rule.what}: Nix: ${rule.nix}; drv: ${rule.ours}`,
    );
  for (const key of show ? keys : loose)
    console.log(`  ${key}${loose.includes(key) ? " (not explained)" : ""}\n${both(key)}`);
  for (const key of stale) console.log(`  explained, but equal: ${key}: ${theirs.get(key) ?? "-"}`);
  return loose.length + stale.length > 0;
}

/** Keys and values; what comes twice under one key, such as a mount on a mount, is one value. Store paths have no hash in keys. */
function readReport(text) {
  const found = new Map();
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const end = line.indexOf(": ");
    const key = line.slice(0, end).replace(/(?<=\/nix\/store\/)[0-9a-z]{32}-/u, "");
    const value = withoutIds(key, line.slice(end + 2));
    for (const [name, part] of partsOf(key, value))
      found.set(name, found.has(name) ? `${found.get(name)}, then ${part}` : part);
  }
  return found;
}

/** Each declaration of `.attrs.sh` has a key of its own, and so has their order. */
function partsOf(key, value) {
  if (key !== "content /build/.attrs.sh") return [[key, value]];
  const parts = value.split(/(?:^|\\x0a)declare (?=(?:-[aA] )?\w+=)/u).slice(1);
  const named = parts.map((part) => [`declared ${/\w+(?==)/u.exec(part)[0]}`, part]);
  return [...named, ["order of declarations", named.map(([name]) => name).join()]];
}

/** A namespace is this process's or another one: numbers are the machine's. */
function withoutIds(key, value) {
  const [, space] = /^namespace (\w+)$/u.exec(key) ?? [];
  if (space === undefined) return value;
  return value === readlinkSync(`/proc/self/ns/${space}`) ? "the machine's" : "of its own";
}

async function withNix(drv, { fromLog, fails }) {
  const ended = await nix("nix-store", ["--realise", drv], fails);
  if (fails) return failure(ended);
  return fromLog ? fromLines(ended.stderr) : fromOutput(ended.stdout, nixStore);
}

async function withDrv(drv, { fromLog, fails }) {
  const bin = here("../bin/drv.js");
  const args = ["build", "--no-link", "--store", ourStore, "--sandbox-paths", sandboxPaths];
  const file = join(nixStore, "nix/store", basename(drv));
  const ended = await run(process.execPath, [bin, ...args, file], { fails });
  if (fails) return failure(ended);
  if (!fromLog) return fromOutput(ended.stdout, ourStore);
  return fromLines((await run(process.execPath, [bin, "log", "--store", ourStore, drv])).stdout);
}

function failure({ status, stderr }) {
  return `status: ${status}\nerror: ${/^error: (.*?)(?: \[\w+\])?$/mu.exec(stderr)?.[1]}`;
}

function fromLines(log) {
  const lines = log.split("\n").filter((line) => line.startsWith("|"));
  return lines.map((line) => line.slice(1)).join("\n");
}

function fromOutput(paths, store) {
  const [out] = paths.split("\n").filter((path) => path !== "" && !path.endsWith("-dev"));
  return readFileSync(join(store, out), "utf8");
}

/** One of Nix's programs, with settings and a store of its own. */
function nix(program, args, fails) {
  const config = [
    "build-users-group =",
    "sandbox = true",
    "sandbox-fallback = false",
    `sandbox-paths = ${sandboxPaths}`,
    "substituters =",
  ];
  const env = {
    NIX_CONFIG: config.join("\n"),
    NIX_CONF_DIR: folder,
    NIX_STATE_DIR: join(folder, "state"),
    NO_COLOR: "1",
  };
  return run(program, ["--store", nixStore, ...args], { env, fails });
}

function run(program, args, { env = {}, fails = false } = {}) {
  return new Promise((resolve, reject) => {
    const options = {
      env: { ...process.env, ...impure, HOME: folder, XDG_CONFIG_HOME: folder, ...env },
      maxBuffer: 2 ** 28,
      cwd: folder,
    };
    execFile(program, args, options, (error, stdout, stderr) => {
      const status = error?.code ?? 0;
      if ((status !== 0) === fails) resolve({ status, stdout, stderr });
      else reject(new Error(`${program} ${args.join(" ")} ended with ${status}:\n${stderr}`));
    });
  });
}
