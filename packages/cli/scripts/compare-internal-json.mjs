// Runs the same builds with Nix and with the engine and says what differs in the messages of Nix's logger. Needs `nix-store`
// (2.8) and a machine that can build; `--record FOLDER` also keeps what Nix said there.
// Run: node packages/cli/scripts/compare-internal-json.mjs [--record FOLDER]
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openEngine } from "@drvkit/engine";
import { ActivityIds, InternalJson, printLogMessage } from "@drvkit/goal";
import { dumpTree, removeTree } from "@drvkit/sandbox-native";
import {
  comparable,
  differences,
  processOf,
  readStream,
  unbalanced,
} from "../../goal/scripts/logger-streams.mjs";

const { record } = parseArgs({ options: { record: { type: "string" } } }).values;
const folder = mkdtempSync(join(tmpdir(), "drvkit-internal-json-"));
const cache = `file://${join(folder, "cache")}`;

/** `app` needs `lib`, which names a phase; `top` needs `bad`, which fails. */
const expression = `
let
  make = name: script: inputs: derivation {
    inherit name inputs;
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-euc" script ];
  };
in rec {
  lib = make "lib" ''echo making lib; echo '@nix {"action":"setPhase","phase":"buildPhase"}'; echo lib > $out'' [ ];
  app = make "app" ''echo making app; read -r line < $inputs; echo $line > $out; echo $inputs >> $out'' [ lib ];
  bad = make "bad" ''echo going wrong; exit 3'' [ ];
  top = make "top" ''echo never'' [ bad ];
}`;

/** What is built in which store, in this order: what one leaves the next one finds. */
const runs = [
  { name: "success", attribute: "app", store: "first", status: 0 },
  { name: "cached", attribute: "app", store: "first", status: 0 },
  { name: "failure", attribute: "bad", store: "first", status: 100 },
  { name: "failed-dependency", attribute: "top", store: "first", status: 100 },
  { name: "substituted", attribute: "app", store: "second", status: 0, from: "first" },
];

try {
  writeFileSync(join(folder, "default.nix"), expression);
  const nixSaid = new Map();
  for (const run of runs) nixSaid.set(run.name, await withNix(run));
  const weSaid = await withEngine();
  let differ = false;
  for (const { name } of runs) differ = report(name, nixSaid.get(name), weSaid.get(name)) || differ;
  if (differ) process.exitCode = 1;
} finally {
  await removeTree(folder);
}

/** Prints what differs in one run; whether something does that nobody has explained. */
function report(name, nixText, ourText) {
  const [nix, ours] = [readStream(nixText), readStream(ourText)];
  const texts = [
    [cache, "CACHE"],
    [folder, "FOLDER"],
  ];
  const [theirs, mine] = [comparable(nix, "nix", texts), comparable(ours, "ours", texts)];
  const found = differences(theirs.messages, mine.messages);
  console.log(
    `${name}: ${theirs.messages.length} messages of Nix, ${mine.messages.length} of ours, ${found.length} differ`,
  );
  for (const [side, told] of [
    ["Nix", theirs],
    ["ours", mine],
  ])
    for (const [reason, times] of told.explained)
      console.log(`  explained, ${side}, ${times} times: ${reason}`);
  for (const line of found) console.log(`  ${line}`);
  const loose = unbalanced(ours);
  if (loose.length > 0)
    console.log(`  of ours begin without an end, or the other way round: ${loose.join(", ")}`);
  if (processOf(ours) !== process.pid) throw new Error("our ids are not of this process");
  processOf(nix);
  if (record !== undefined) {
    mkdirSync(record, { recursive: true });
    writeFileSync(join(record, `${name}.log`), nixText.replaceAll(cache, "file:///cache"));
  }
  return found.length > 0 || loose.length > 0;
}

async function withNix({ attribute, store, status, from }) {
  if (from !== undefined) {
    const output = (
      await nix("nix-store", [
        "--store",
        join(folder, "nix", from),
        "-q",
        "--outputs",
        await instantiate(attribute, from),
      ])
    ).stdout.trim();
    await nix("nix", [
      "--extra-experimental-features",
      "nix-command",
      "copy",
      "--store",
      join(folder, "nix", from),
      "--to",
      cache,
      output,
    ]);
  }
  const drv = await instantiate(attribute, store);
  const where = ["--store", join(folder, "nix", store), "--substituters", from === undefined ? "" : cache];
  const ended = await nix("nix-store", [...where, "--realise", drv, "--log-format", "internal-json"], status);
  return `${ended.stderr
    .split("\n")
    .filter((line) => line.startsWith("@nix "))
    .join("\n")}\n`;
}

async function instantiate(attribute, store) {
  const where = ["--store", join(folder, "nix", store)];
  return (
    await nix("nix-instantiate", [...where, join(folder, "default.nix"), "-A", attribute])
  ).stdout.trim();
}

/** One of Nix's programs, with settings and stores of its own. */
function nix(program, args, status = 0) {
  const config = `build-users-group =\nsandbox = true\nsandbox-paths = /bin /lib /lib64 /usr\nsubstituters =\nrequire-sigs = false\nsandbox-fallback = false\n`;
  const env = {
    ...process.env,
    NIX_CONFIG: config,
    NIX_CONF_DIR: folder,
    NIX_STATE_DIR: join(folder, "state"),
    HOME: folder,
  };
  return new Promise((resolve, reject) => {
    execFile(program, args, { env }, (error, stdout, stderr) => {
      if ((error?.code ?? 0) === status) resolve({ stdout, stderr });
      else
        reject(
          new Error(`${program} ${args.join(" ")} ended with ${error?.code ?? 0}, not ${status}:\n${stderr}`),
        );
    });
  });
}

async function withEngine() {
  const said = new Map();
  const ids = new ActivityIds(process.pid);
  const engines = new Map();
  try {
    for (const { name, attribute, store, status, from } of runs) {
      const engine =
        engines.get(store) ??
        (await openEngine({
          store: join(folder, "ours", store),
          settings: { "sandbox-paths": "/bin /lib /lib64 /usr", "max-jobs": "1" },
          substituters: from === undefined ? [] : [cacheOf(engines.get(from))],
        }));
      engines.set(store, engine);
      const objects = join(folder, "nix", store, "nix/store");
      const file = readdirSync(objects).find((each) => each.endsWith(`-${attribute}.drv`));
      const logger = new InternalJson(ids);
      const build = engine.build([join(objects, file)]);
      let text = "";
      for await (const event of build)
        for (const message of logger.messages(event)) text += `${printLogMessage(message)}\n`;
      const { exitStatus } = await build.result;
      if (exitStatus !== status) throw new Error(`${name} ended with ${exitStatus}, not ${status}:\n${text}`);
      said.set(name, text);
    }
  } finally {
    for (const engine of engines.values()) await engine.close();
  }
  return said;
}

/** Offers what is in our first store as Nix's cache of it would. */
function cacheOf({ store }) {
  return {
    uri: cache,
    trusted: true,
    async queryPathInfo(path) {
      const info = await store.queryPathInfo(path);
      if (info === undefined) return undefined;
      const [hashPart] = /[^/]{32}(?=-)/u.exec(path);
      const narinfo = readFileSync(join(folder, "cache", `${hashPart}.narinfo`), "utf8");
      return { ...info, downloadSizeBytes: Number(/^FileSize: (\d+)$/mu.exec(narinfo)[1]) };
    },
    archive: ({ path }) => dumpTree(store.realPathOf(path)),
  };
}
