// Holds what the tests reached against the rows of the specification: `row-coverage.mjs FOLDER`, where FOLDER has what
// `test/support/trace.ts` wrote. Fails for a row that has a reason and that no test reached.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";

const jiti = createJiti(import.meta.url);
const load = (file) => jiti.import(fileURLToPath(new URL(`../src/goals/${file}`, import.meta.url)));
const tables = {
  derivation: (await load("derivation/rows.ts")).rows,
  substitution: (await load("substitution/rows.ts")).pathRows,
  realisation: (await load("realisation/rows.ts")).realisationRows,
};

const folder = process.argv[2];
if (folder === undefined) throw new Error("say where the tests wrote what they reached");
const reached = new Set(
  readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n")),
);

const missed = [];
let rows = 0;
for (const [kind, table] of Object.entries(tables))
  for (const [row, answer] of Object.entries(table)) {
    if (answer.because === undefined) continue;
    rows += 1;
    const unreached = answer.because.filter((because) => !reached.has(`${kind} ${because}`));
    if (unreached.length > 0) missed.push(`${row}: ${unreached.join(", ")}`);
  }
for (const each of missed) console.error(`no test reached ${each}`);
console.log(
  `${rows} rows that show as reasons, ${rows - missed.length} of them reached by the tests in every way`,
);
process.exitCode = missed.length > 0 ? 1 : 0;
