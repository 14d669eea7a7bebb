// Mutated corpora through fast-check, each parser in a process of its own: `npm run fuzz -- --time 60 [--seed N] [PARSER…]`.
// Not guided by coverage: such a fuzzer for Node needs a binary that no package carries.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setup } from "./setup.mjs";

const root = join(import.meta.dirname, "..");
const heapMegabytes = 256;

const { values, positionals } = parseArgs({
  options: {
    time: { type: "string", default: "60" },
    seed: { type: "string" },
    build: { type: "boolean", default: true },
  },
  allowNegative: true,
  allowPositionals: true,
});
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 31));

if (values.build) await setup();
const { targets } = await import("../fuzz/targets.mjs");
const wanted = positionals.length > 0 ? positionals : Object.keys(targets);
let failed = 0;
console.log(`mutated corpora through fast-check, ${values.time} s for each parser, seed ${seed}`);
for (const name of wanted) {
  if (targets[name] === undefined) {
    console.error(`no parser '${name}': there are ${Object.keys(targets).join(", ")}`);
    process.exit(1);
  }
  const { code, text } = await run(name);
  const outcome =
    code === 0 ? JSON.parse(text) : { error: `the process ended with ${code}: out of memory or killed` };
  if (outcome.error !== undefined) {
    failed += 1;
    console.error(`✗ ${name}: ${outcome.error}`);
    if (outcome.counterexample !== undefined) console.error(`  input: ${save(name, outcome.counterexample)}`);
  } else
    console.log(
      `✓ ${name.padEnd(13)} ${String(outcome.runs).padStart(9)} inputs, ${outcome.accepted} accepted, slowest ${outcome.slowestMs} ms`,
    );
}
console.log(failed === 0 ? "only typed errors" : `${failed} parsers failed`);
process.exitCode = failed === 0 ? 0 : 1;

function run(name) {
  const args = [`--max-old-space-size=${heapMegabytes}`, join(root, "fuzz/run.mjs"), name, values.time, seed];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  return new Promise((resolve) =>
    child.on("close", (code, signal) => resolve({ code: code ?? signal, text })),
  );
}

function save(name, base64) {
  const folder = join(root, ".cache/fuzz");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}-${seed}`);
  writeFileSync(file, Buffer.from(base64, "base64"));
  return file;
}
