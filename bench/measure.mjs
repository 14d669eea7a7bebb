import { performance } from "node:perf_hooks";

/**
 * Runs the contestants in turn, `rounds` times each after one warm-up, and gives each one's times in ms. One that is an object with
 * `before` and `run` has the first called outside of the time.
 */
export async function interleave(contestants, rounds) {
  const times = new Map(Object.keys(contestants).map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1)
    for (const [name, contestant] of Object.entries(contestants)) {
      const { before, run } = typeof contestant === "function" ? { run: contestant } : contestant;
      await before?.(round);
      const started = performance.now();
      await run(round);
      if (round >= 0) times.get(name).push(performance.now() - started);
    }
  return times;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** One table: median, least and most of each contestant, and its ratio to the last one, the peer. */
export function report(title, times) {
  const peer = median([...times.values()].at(-1));
  console.log(`\n${title}`);
  for (const [name, values] of times) {
    const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)];
    console.log(
      `  ${name.padEnd(34)} ${middle.toFixed(1).padStart(9)} ms  (${least.toFixed(1)} – ${most.toFixed(1)})  ×${(middle / peer).toFixed(2)}`,
    );
  }
}

export function skip(title, reason) {
  console.log(`\n${title}\n  skipped: ${reason}`);
}
