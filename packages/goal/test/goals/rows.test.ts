import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { rows } from "../../src/goals/derivation/rows.js";
import { realisationRows } from "../../src/goals/realisation/rows.js";
import { pathRows } from "../../src/goals/substitution/rows.js";

const root = new URL("../../../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const specification = "../shared/spec/03-goals.md";

test("docs/goal-stages.md is what the tables say", () => {
  const script = fileURLToPath(new URL("packages/goal/scripts/goal-stages.mjs", root));
  expect(execFileSync(process.execPath, [script], { encoding: "utf8" })).toBe(read("docs/goal-stages.md"));
});

test.skipIf(!existsSync(new URL(specification, root)))(
  "every row of the specification is answered (skipped without the specification)",
  () => {
    const named = (number: string) => {
      const sections = read(specification).split("\n## ");
      const section = sections.find((text) => text.startsWith(`${number}. `)) ?? "";
      return [...section.matchAll(/^\| ([A-Z]\d+) \|/gmu)].map(([, row]) => row);
    };
    expect(named("6").length).toBeGreaterThan(40);
    expect(Object.keys(rows)).toEqual(named("6"));
    expect(named("19").length).toBeGreaterThan(15);
    expect(Object.keys(pathRows)).toEqual(named("19"));
    expect(Object.keys(realisationRows)).toEqual(named("20"));
  },
);

test.each([
  { folder: "derivation", table: rows },
  { folder: "substitution", table: pathRows },
  { folder: "realisation", table: realisationRows },
])("every reason of a $folder goal is the answer to some row", ({ folder, table }) => {
  const source = read(`packages/goal/src/goals/${folder}/stages.ts`);
  const reasons = [...source.matchAll(/^ {2}\| "([a-z-]+)"/gmu)].map(([, reason]) => reason);
  const answered = new Set<string>(
    Object.values(table).flatMap((row) => ("because" in row ? [...row.because] : [])),
  );
  expect(reasons.filter((reason) => !answered.has(reason ?? ""))).toEqual(["created"]);
});
