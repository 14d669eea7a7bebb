import { type RowAnswer, rowsOf } from "../row-answer.js";
import type { RealisationBecause } from "./stages.js";

const { because, noting } = rowsOf<RealisationBecause>();

/**
 * Every row of the state table of output substitution goals (Nix: src/libstore/build/drv-output-substitution-goal.cc) and
 * what it is here. `docs/goal-stages.md` is printed from it.
 */
export const realisationRows = {
  O1: because("already-known"),
  O2: because("not-known"),
  O3: because("no-substituters"),
  O4: noting("within `tryNext`; a question takes no slot", "offered", "not-offered"),
  O5: noting("one warning for each substituter and run; it never fails a build", "does-not-answer"),
  O6: noting(
    "then what is said is judged: another store directory, another output, no signature that counts",
    "not-offered",
    "another-store",
    "another-output",
    "not-trusted",
  ),
  O7: because("incompatible"),
  O8: noting("the event `goal-waits` lists the waitees", "offered"),
  O9: because("path-failed"),
  O10: noting("an error when the store knows another path by then", "registered", "error"),
} as const satisfies Readonly<Record<string, RowAnswer<RealisationBecause>>>;
