import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hashBytes } from "../packages/drv-parser/dist/index.js";
import { parseRegistrations, printRegistrations } from "../packages/narinfo/dist/index.js";
import { openStore } from "../packages/store-lmdb/dist/index.js";
import { lines, loadIntoNix, nixBelow, withLargeCorpus } from "./large-corpus.mjs";
import { interleave, median, report } from "./measure.mjs";

const title = "goals of the large corpus";
const rounds = 5;
const drv = join(import.meta.dirname, "../packages/cli/bin/drv.js");

export async function bench() {
  await withLargeCorpus(title, async (folder) => {
    const stores = await makeStores(folder);
    const sinks = lines(join(folder, "sinks.drvs"));
    await compare(`dry run of ${sinks.length} roots, nothing built`, {
      drvkit: () => ours(stores.ours, ["--dry-run"], sinks),
      ...nix(stores, ["--realise", "--dry-run"], sinks),
    });
    await registerOutputs(folder, stores);
    await compare(`no-op realise of ${sinks.length} roots, all valid`, {
      drvkit: () => ours(stores.ours, ["--no-link"], sinks),
      ...nix(stores, ["--realise"], sinks),
    });
    await compare("no-op realise of one root", {
      drvkit: () => ours(stores.ours, ["--no-link"], sinks.slice(0, 1)),
      "bare node": () => mustRun(process.execPath, ["-e", "0"]),
    });
  });
}

async function compare(what, contestants) {
  const times = await interleave(contestants, rounds);
  report(what, times);
  const [mine, peer] = [...times.values()].map(median);
  if (peer === undefined) console.log("  nix-store skipped: no Nix here");
  else console.log(`  the peer takes ×${(peer / mine).toFixed(2)} of our time`);
}

/** The same derivations in a store of ours and in one of a Nix, if there is one, below a root of its own. */
async function makeStores(folder) {
  const stores = { ours: join(folder, "ours"), nix: folder };
  mkdirSync(join(stores.ours, "nix"), { recursive: true });
  execFileSync("cp", ["-a", join(folder, "nix/store"), join(stores.ours, "nix/store")]);
  return { ...stores, hasNix: await load(stores, readFileSync(join(folder, "reg.dump"), "utf8")) };
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
  return loadIntoNix(stores.nix, registrations);
}

function ours(store, options, targets) {
  mustRun(
    process.execPath,
    [drv, "build", "--stdin", "--store", store, ...options],
    `${targets.join("\n")}\n`,
  );
}

function nix({ nix: root, hasNix }, options, targets) {
  if (!hasNix) return {};
  const { store, env } = nixBelow(root);
  return { "nix-store": () => mustRun("nix-store", ["--store", store, ...options, ...targets], "", env) };
}

function mustRun(program, args, input = "", env = process.env) {
  const { status, stderr } = spawnSync(program, args, { input, env, maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
}
