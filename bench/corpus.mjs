import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  computeHashModulo,
  defaultStoreDir,
  derivationNameOf,
  derivationToJson,
  HashModuloCache,
  makeStorePath,
  parseDerivation,
} from "../packages/drv-parser/dist/index.js";
import { lines, loadIntoNix, nixBelow, withLargeCorpus } from "./large-corpus.mjs";
import { interleave, median, report } from "./measure.mjs";

const title = "the large corpus";
const rounds = 5;

export async function bench() {
  await withLargeCorpus(title, async (folder) => {
    await benchParse(folder);
    await benchModulo(folder);
  });
}

async function benchParse(folder) {
  const files = readAll(folder);
  const megabytes = files.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1e6;
  const show = nixShow(folder);
  const times = await interleave(
    {
      parse: () => {
        for (const file of files) parse(file);
      },
      "parse and print as JSON": () => {
        for (const file of files) JSON.stringify(derivationToJson(parse(file)));
      },
      ...(show === undefined ? {} : { "nix show-derivation of the same": show }),
    },
    rounds,
  );
  report(`parse of ${title}: ${files.length} derivations, ${megabytes.toFixed(0)} MB, read before`, times);
  if (show === undefined) console.log("  nix show-derivation skipped: no Nix here");
  console.log(`  parse: ${((megabytes * 1000) / median(times.get("parse"))).toFixed(0)} MB/s`);
}

/** Hashes of closures of several sizes, each anew: time for each edge stays the same. */
async function benchModulo(folder) {
  const known = new Map(readAll(folder).map((file) => [file.path, parse(file)]));
  const sinks = lines(join(folder, "sinks.drvs"));
  const contestants = {};
  const edges = new Map();
  for (const part of [8, 4, 2, 1]) {
    const tops = sinks.slice(0, Math.ceil(sinks.length / part));
    const size = edgesOf(tops, known);
    const name = `${size} edges`;
    edges.set(name, size);
    contestants[name] = () => {
      const cache = new HashModuloCache();
      for (const top of tops) computeHashModulo(known.get(top), true, (path) => known.get(path), cache);
    };
  }
  const times = await interleave(contestants, rounds);
  report(`hash modulo in ${title}, by edges`, times);
  for (const [name, values] of times)
    console.log(
      `  ${name.padEnd(34)} ${((median(values) * 1e6) / edges.get(name)).toFixed(0).padStart(9)} ns for each edge`,
    );
}

function readAll(folder) {
  const store = join(folder, "nix/store");
  return readdirSync(store)
    .filter((name) => name.endsWith(".drv"))
    .map((name) => {
      const path = makeStorePath(defaultStoreDir, name);
      return { path, name: derivationNameOf(path), bytes: new Uint8Array(readFileSync(join(store, name))) };
    });
}

function parse({ name, bytes }) {
  return parseDerivation(bytes, { name });
}

function edgesOf(tops, known) {
  const seen = new Set(tops);
  let edges = 0;
  const rest = [...tops];
  for (let path = rest.pop(); path !== undefined; path = rest.pop())
    for (const input of known.get(path).inputDrvs.keys()) {
      edges += 1;
      if (seen.has(input)) continue;
      seen.add(input);
      rest.push(input);
    }
  return edges;
}

/** Runs Nix on all of them, reading included; `undefined` where there is none. */
function nixShow(folder) {
  if (!loadIntoNix(folder, readFileSync(join(folder, "reg.dump")))) return undefined;
  const { store, env } = nixBelow(folder);
  const options = ["--extra-experimental-features", "nix-command", "--store", store, "-r"];
  const args = ["show-derivation", ...options, ...lines(join(folder, "sinks.drvs"))];
  return () => {
    const nothing = openSync("/dev/null", "w");
    execFileSync("nix", args, { stdio: ["ignore", nothing, "ignore"], env });
    closeSync(nothing);
  };
}
