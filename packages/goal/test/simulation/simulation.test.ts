import { describe, expect, test } from "vitest";
import { isLong } from "../../../../tests/properties.js";
import { Random } from "./random.js";
import { simulate } from "./simulate.js";

const firstSeed = Number(process.env["DRVKIT_SEED"] ?? 1);
const batches: readonly { readonly runs: number; readonly most: number }[] = isLong
  ? [
      { runs: 1900, most: 300 },
      { runs: 95, most: 5000 },
      { runs: 5, most: 100_000 },
    ]
  : [{ runs: 200, most: 60 }];

/** What two hundred runs come upon at least. */
const reached = [
  "already-valid",
  "outputs-added",
  "substituted",
  "substitutes-failed",
  "retry-after-incomplete-closure",
  "source-not-copied",
  "dependency-failed",
  "built-by-another",
  "built",
  "failed",
  "does-not-answer",
  "references-failed",
  "gone",
  "fetch-failed",
  "no-substituters",
];

describe("simulated runs on random graphs end as the model says and leave nothing", () => {
  test.each(batches)(
    "$runs of at most $most derivations",
    async ({ runs, most }) => {
      const totals = { goals: 0, builds: 0, elsewhere: 0, substituted: 0, copied: 0, failed: 0, decided: 0 };
      const reasons = new Set<string>();
      for (let run = 0; run < runs; run += 1) {
        const seed = firstSeed + run;
        const size = run < 5 && most > 60 ? most : 1 + new Random(seed).below(most);
        const simulated = await simulate(seed, size).catch((error: unknown) => {
          throw new Error(`seed ${seed}, ${size} derivations: ${String(error)}`, { cause: error });
        });
        for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += simulated[key];
        for (const reason of simulated.reasons) reasons.add(reason);
      }
      console.log(
        `${runs} runs from seed ${firstSeed}, at most ${most} derivations: ${JSON.stringify(totals)}`,
      );
      expect(totals.decided).toBeGreaterThan(runs / 2);
      if (runs >= 200) expect(totals.elsewhere).toBeGreaterThan(runs / 10);
      if (runs >= 200) expect(totals.copied).toBeGreaterThan(runs / 10);
      if (runs >= 200) expect([...reasons]).toEqual(expect.arrayContaining(reached));
    },
    3_600_000,
  );
});
