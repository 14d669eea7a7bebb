// Fuzzes one parser for a while and prints what came of it as JSON. Started by scripts/fuzz.mjs with little memory, so that
// a parser which asks for more than its input is worth ends the process.
import { performance } from "node:perf_hooks";
import fc from "fast-check";
import { mutated } from "./mutate.mjs";
import { isRefusal, targets } from "./targets.mjs";

const [name, seconds, seed] = process.argv.slice(2);
/** Nothing of at most a megabyte takes a parser that long, on however slow a machine. */
const slowestMs = 5000;

const { seeds, check } = targets[name];
const counts = { runs: 0, accepted: 0, slowestMs: 0 };
for (const each of seeds) check1(each);

const result = fc.check(
  fc.property(mutated(seeds), (input) => check1(input)),
  {
    seed: Number(seed),
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: Number(seconds) * 1000,
    markInterruptAsFailure: false,
  },
);
const counterexample = result.failed ? Buffer.from(result.counterexample[0]).toString("base64") : undefined;
const error = result.failed ? String(result.errorInstance?.stack ?? result.errorInstance) : undefined;
process.stdout.write(JSON.stringify({ ...counts, counterexample, error, seed: result.seed }));

function check1(input) {
  const started = performance.now();
  counts.runs += 1;
  try {
    check(input);
    counts.accepted += 1;
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  const took = performance.now() - started;
  counts.slowestMs = Math.max(counts.slowestMs, Math.round(took));
  if (took > slowestMs) throw new Error(`${Math.round(took)} ms for ${input.length} bytes`);
}
