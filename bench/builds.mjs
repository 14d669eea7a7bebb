import { execFileSync, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { derivation, nix } from "../packages/drv-parser/dist/index.js";
import { openEngine } from "../packages/engine/dist/index.js";
import { printRegistrations } from "../packages/narinfo/dist/index.js";
import { removeTree } from "../packages/sandbox-native/dist/index.js";
import { loadIntoNix, nixBelow } from "./large-corpus.mjs";
import { median, report, skip } from "./measure.mjs";

const title = "trivial sandboxed builds";
const rounds = 5;
const drv = join(import.meta.dirname, "../packages/cli/bin/drv.js");
const busybox = "/bin/busybox";
const namespaces = ["mnt", "pid", "net", "ipc", "uts"];

/**
 * Whole commands, each in a fresh store that holds the derivations and the shell they run, and no output. Both build under a user id for
 * each build, which is what root gets by default.
 */
export async function bench() {
  if (process.geteuid?.() !== 0)
    return skip(title, "only root builds in a store of Nix below a root of its own");
  if (!existsSync(busybox)) return skip(title, `there is no ${busybox}, a shell that needs no library`);
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  try {
    makeTools(join(folder, "tools"));
    makeAccounts(folder);
    await compare(folder, "300 independent trivial builds, 2 jobs", independent);
    await compare(folder, "a chain of 100 trivial builds", chain);
  } finally {
    await removeTree(folder);
  }
}

function independent(tools) {
  return Array.from({ length: 300 }, (_, n) => script(tools, `trivial-${n}`, "echo $name > $out"));
}

/** The last one is asked for; each reads what the one before wrote. */
function chain(tools) {
  let last = script(tools, "chain-0", "echo 0 > $out");
  for (let n = 1; n < 100; n += 1)
    last = script(tools, `chain-${n}`, "read n < $before; echo $((n + 1)) > $out", { before: last });
  return [last];
}

function script(tools, name, text, variables = {}) {
  const builder = nix`${tools}/sh`;
  return derivation({ name, system: "x86_64-linux", builder, args: ["-c", text], ...variables });
}

async function compare(folder, what, write) {
  const template = await makeTemplate(folder, write);
  const contestants = hasNix() ? [drvkit, nixStore] : [drvkit];
  for (const each of contestants) requireSandbox(copyOf(template, each), each, template);
  const times = new Map(contestants.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round += 1)
    for (const each of contestants) {
      const took = timeToBuild(copyOf(template, each), each, template);
      if (round >= 0) times.get(each.name).push(took);
    }
  report(what, times);
  const [mine, peer] = [...times.values()].map(median);
  if (peer === undefined) console.log("  nix-store skipped: no Nix here");
  else console.log(`  the peer takes ×${(peer / mine).toFixed(2)} of our time`);
}

const drvkit = {
  name: "drvkit",
  build({ root }, targets) {
    const options = ["--stdin", "--no-link", "--max-jobs", "2", "--store", root];
    mustRun(process.execPath, [drv, "build", ...options], { input: `${targets.join("\n")}\n` });
  },
};

const nixStore = {
  name: "nix-store",
  build({ root, folder }, targets) {
    const { store, env } = nixBelow(root);
    const settings = { sandbox: "true", "build-users-group": group, substitute: "false" };
    const options = Object.entries(settings).flatMap(([name, value]) => ["--option", name, value]);
    const command = ["nix-store", "--store", store, "--realise", ...targets, "-j2", ...options];
    mustRun("unshare", ["--mount", "sh", "-c", withAccounts, folder, ...command], { env });
  },
};

function timeToBuild(root, { build }, { folder, targets }) {
  const paths = targets.map(({ drvPath }) => drvPath);
  const started = performance.now();
  build({ root, folder }, paths);
  return performance.now() - started;
}

/** What a contestant builds without the isolation that is compared is no figure. */
function requireSandbox(root, { name, build }, { folder, probe }) {
  build({ root, folder }, [probe.drvPath]);
  const [ids, ...seen] = readFileSync(join(root, probe.output().path), "utf8").trimEnd().split("\n");
  const [, outside] = ids.trim().split(/\s+/u);
  if (outside === undefined || outside === "0") throw new Error(`${name} built as root of this machine`);
  const here = namespaces.map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
  const shared = namespaces.filter((_, n) => seen[n] === undefined || seen[n] === here[n]);
  if (shared.length > 0) throw new Error(`${name} built in our ${shared.join(", ")} namespaces`);
}

function hasNix() {
  return spawnSync("nix-instantiate", ["--version"]).error === undefined;
}

/** A store to copy, and what Nix is to know of it. */
async function makeTemplate(folder, write) {
  const root = join(folder, write.name);
  const engine = await openEngine({ store: root });
  const tools = await engine.source(join(folder, "tools"));
  const reads = namespaces.map((kind) => `$tools/readlink /proc/self/ns/${kind}`).join("; ");
  const probe = script(tools, "probe", `{ read ids < /proc/self/uid_map; echo $ids; ${reads}; } > $out`, {
    tools,
  });
  const targets = write(tools);
  for (const each of [probe, ...targets]) await engine.instantiate(each);
  const registrations = [];
  for (const path of await engine.store.queryAllValidPaths()) {
    const { narHash: hash, narSizeBytes: sizeBytes, references } = await engine.store.queryPathInfo(path);
    registrations.push({ path, nar: { hash, sizeBytes }, references });
  }
  await engine.close();
  return { root, folder, registrations: printRegistrations(registrations), targets, probe };
}

const group = "nixbld";

/** Users for the builds of Nix, in files that it alone sees in their places: those of this machine stay as they are. */
function makeAccounts(folder) {
  const [gid, count] = [872_000_000, 4];
  const users = Array.from({ length: count }, (_, n) => `${group}${n + 1}`);
  const accounts = users.map((name, n) => `${name}:x:${gid + n + 1}:${gid}::/var/empty:/bin/false`);
  for (const [name, entries] of [
    ["passwd", accounts],
    ["group", [`${group}:x:${gid}:${users.join(",")}`]],
  ]) {
    const own = readFileSync(join("/etc", name), "utf8").trimEnd().split("\n");
    const kept = own.filter((line) => !line.startsWith(group));
    writeFileSync(join(folder, name), `${[...kept, ...entries].join("\n")}\n`);
  }
}

/** A script that runs its arguments with the accounts of the folder that it is called by. */
const withAccounts = [
  ...["passwd", "group"].map((name) => `mount --bind "$0/${name}" /etc/${name}`),
  'exec "$@"',
].join(" && ");

/** The shell under the names by which it knows what to be. */
function makeTools(directory) {
  mkdirSync(directory);
  copyFileSync(busybox, join(directory, "sh"));
  symlinkSync("sh", join(directory, "readlink"));
}

/** A store of its own for each round. They are removed when all is measured: some file systems make files slowly after that. */
function copyOf({ root, registrations }, contestant) {
  const copy = `${root}-${contestant.name}-${randomUUID()}`;
  execFileSync("cp", ["-a", root, copy]);
  if (contestant === nixStore) {
    rmSync(join(copy, "nix/var"), { recursive: true });
    loadIntoNix(copy, registrations);
  }
  execFileSync("sync", ["--file-system", copy]);
  return copy;
}

function mustRun(program, args, options) {
  const { status, stderr } = spawnSync(program, args, { maxBuffer: 2 ** 28, ...options });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
}
