import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashBytes } from "../packages/drv-parser/dist/index.js";
import { parseRegistrations, printRegistrations } from "../packages/narinfo/dist/index.js";
import { openStore } from "../packages/store-lmdb/dist/index.js";
import { interleave, median, report, skip } from "./measure.mjs";

const title = "goals of the large corpus";
const rounds = 5;
const drv = join(import.meta.dirname, "../packages/cli/bin/drv.js");

export async function bench() {
  const corpus = join(import.meta.dirname, "../../shared/corpus");
  if (!existsSync(join(corpus, "large-drvs.tar.zst"))) return skip(title, "../shared/corpus is not here");
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  try {
    const stores = await makeStores(folder, corpus);
    const sinks = lines(join(folder, "sinks.drvs"));
    await compare(`dry run of ${sinks.length} roots, nothing built`, {
      drvkit: () => ours(stores.ours, ["--dry-run"], sinks),
      ...nix(stores.nix, ["--realise", "--dry-run"], sinks),
    });
    await registerOutputs(folder, stores);
    await compare(`no-op realise of ${sinks.length} roots, all valid`, {
      drvkit: () => ours(stores.ours, ["--no-link"], sinks),
      ...nix(stores.nix, ["--realise"], sinks),
    });
    await compare("no-op realise of one root", {
      drvkit: () => ours(stores.ours, ["--no-link"], sinks.slice(0, 1)),
      "bare node": () => mustRun(process.execPath, ["-e", "0"]),
    });
  } finally {
    execFileSync("chmod", ["-R", "u+w", folder]);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(what, contestants) {
  const times = await interleave(contestants, rounds);
  report(what, times);
  const [mine, peer] = [...times.values()].map(median);
  if (peer === undefined) console.log("  nix-store skipped: no Nix here");
  else console.log(`  the peer takes ×${(peer / mine).toFixed(2)} of our time`);
}

/** The same derivations in a store of ours and in one of a Nix below a root of its own. */
async function makeStores(folder, corpus) {
  const stores = { ours: join(folder, "ours"), nix: join(folder, "theirs") };
  for (const store of Object.values(stores)) mkdirSync(join(store, "nix"), { recursive: true });
  const unpack =
    'zstd -dc "$0/large-drvs.tar.zst" | tar x && cp -a store ours/nix/store && mv store theirs/nix/store';
  execFileSync("sh", ["-c", unpack, corpus], { cwd: folder });
  await load(stores, readFileSync(join(folder, "reg.dump"), "utf8"));
  return stores;
}

/** As if every root had been built: something is registered under each output, and nobody looks at it. */
async function registerOutputs(folder, stores) {
  const nothing = new Uint8Array();
  const nar = { hash: hashBytes("sha256", nothing), sizeBytes: 120 };
  const outputs = lines(join(folder, "sinks.outputs"));
  await load(stores, printRegistrations(outputs.map((path) => ({ path, nar, references: new Set() }))));
}

async function load(stores, registrations) {
  const infos = parseRegistrations(registrations).map(({ path, nar, references }) => ({
    path,
    narHash: nar.hash,
    narSizeBytes: nar.sizeBytes,
    references,
    registrationTimeSeconds: 1,
    ultimate: false,
    signatures: [],
  }));
  const store = await openStore({ root: stores.ours });
  await store.registerValidPaths(infos).finally(() => store.close());
  if (hasNix())
    execFileSync("nix-store", ["--store", `local?root=${stores.nix}`, "--load-db"], {
      input: registrations,
      stdio: ["pipe", "ignore", "ignore"],
      env: nixEnv(stores.nix),
    });
}

function ours(store, options, targets) {
  mustRun(
    process.execPath,
    [drv, "build", "--stdin", "--store", store, ...options],
    `${targets.join("\n")}\n`,
  );
}

function nix(store, options, targets) {
  if (!hasNix()) return {};
  const args = ["--store", `local?root=${store}`, ...options, ...targets];
  return { "nix-store": () => mustRun("nix-store", args, "", nixEnv(store)) };
}

function hasNix() {
  return spawnSync("nix-store", ["--version"]).error === undefined;
}

function nixEnv(store) {
  return { ...process.env, NIX_CONF_DIR: join(store, "etc"), NIX_CONFIG: "substituters =" };
}

function mustRun(program, args, input = "", env = process.env) {
  const { status, stderr } = spawnSync(program, args, { input, env, maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
}

function lines(file) {
  return readFileSync(file, "utf8").trimEnd().split("\n");
}
