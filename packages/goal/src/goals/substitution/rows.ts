import { type RowAnswer, rowsOf } from "../row-answer.js";
import type { PathBecause } from "./stages.js";

const { because, noting, none } = rowsOf<PathBecause>();

/**
 * Every row of the state table of path substitution goals (Nix: src/libstore/build/substitution-goal.cc) and what it is
 * here. `docs/goal-stages.md` is printed from it.
 */
export const pathRows = {
  P1: because("already-valid"),
  P2: none("a store that cannot be written is refused before the run"),
  P3: because("not-valid", "needs-repair"),
  P4: because("no-substituters"),
  P5: noting("the path is recomputed within `tryNext`", "offered", "not-offered"),
  P6: because("another-store"),
  P7: because("not-offered"),
  P8: noting("one warning for each substituter and run; it never fails a build", "does-not-answer"),
  P9: noting("adopted when its content alone leads to it", "offered", "another-path"),
  P10: because("not-trusted"),
  P11: because("offered"),
  P12: because("references-failed"),
  P13: noting("asked of the store again", "references-valid", "error"),
  P14: noting("within `fetch`; the event `slot`", "substituted", "gone", "fetch-failed"),
  P15: noting("within `fetch`; the event `substitution-started`", "substituted", "gone", "fetch-failed"),
  P16: because("gone"),
  P17: because("fetch-failed"),
  P18: because("substituted"),
} as const satisfies Readonly<Record<string, RowAnswer<PathBecause>>>;
