import { type RowAnswer, rowsOf } from "../row-answer.js";
import type { Because } from "./stages.js";

const { because, noting, none, later } = rowsOf<Because>();
const noHook = "no build hook exists yet";

/**
 * Every row of the state table of derivation goals (Nix: src/libstore/build/derivation-goal.cc) and what it is here.
 * `docs/goal-stages.md` is printed from it.
 */
export const rows = {
  G1: noting(
    "a derivation whose outputs are valid is not read",
    "asks-substituters",
    "needs-build",
    "needs-check",
    "already-valid",
  ),
  G2: noting(
    "within `load`; the event `goal-waits`",
    "asks-substituters",
    "needs-build",
    "missing-derivation",
  ),
  L1: because("missing-derivation"),
  L2: noting("the temp root comes first", "asks-substituters", "needs-build", "needs-check", "already-valid"),
  H1: noting("the missing feature, or attributes that cannot be read", "error"),
  H2: noting("its outputs are never looked for; where they are written the build decides", "needs-build"),
  H3: noting(
    "checked again after the lock, T2",
    "asks-substituters",
    "needs-build",
    "needs-check",
    "already-valid",
  ),
  H4: because("already-valid"),
  H5: because("asks-substituters"),
  H6: because("needs-build", "needs-check"),
  S1: because("substitutes-failed"),
  S2: noting("`incomplete` in the stage", "needs-build", "retry-after-incomplete-closure"),
  S3: none("nothing is counted beyond a stage"),
  S4: noting("also after a build by another process; a build of our own has made them all", "outputs-added"),
  S5: noting("within `substitute`", "substituted", "needs-build", "needs-check"),
  S6: because("substituted"),
  S7: because("outputs-good"),
  S8: because("check-impossible"),
  S9: because("needs-build", "needs-check"),
  B1: noting("within `realiseInputs`", "error"),
  B2: noting("the event `goal-waits` lists the waitees", "inputs-ready", "dependency-failed"),
  B3: none("there is one store; a derivation from outside is imported with its inputs before the run"),
  B4: because("missing-source"),
  B5: noting("the event `goal-waits` lists the waitees", "inputs-ready", "dependency-failed"),
  B6: because("inputs-ready"),
  C1: noting("the event `goal-waits` lists the waitees", "closure-repaired", "closure-not-repaired"),
  C2: because("closure-good"),
  C3: because("closure-not-repaired"),
  C4: because("closure-repaired"),
  I1: noting("of a derivation that was handed over, not read", "dependency-failed"),
  I2: because("dependency-failed"),
  I3: because("retry-after-incomplete-closure"),
  I4: noting("the event `derivation-resolved`", "needs-resolution"),
  I5: noting(
    "an input without the output that is asked of it fails by itself first",
    "error",
    "dependency-failed",
  ),
  I6: because("inputs-ready"),
  T1: noting("within `build`; the event `waiting-for-lock`", "inputs-ready"),
  T2: noting("within `build`", "built-by-another", "built", "checked", "failed"),
  T3: because("built-by-another"),
  T4: noting("within `build`", "built", "checked", "failed"),
  T5: later(noHook),
  T6: later(noHook),
  T7: noting("every build is local; within `build`", "built", "checked", "failed"),
  Y1: none("the store port is a local store"),
  Y2: noting("within `build`, before the locks; the event `slot`", "inputs-ready"),
  Y3: noting("ids are allocated by the sandbox port; `__noChroot` is refused", "error"),
  Y4: because("rejected"),
  Y5: because("error"),
  Y6: noting("within `build`; the event `build-started`", "built", "checked", "failed"),
  D1: because("built", "checked", "failed"),
  R1: because("resolved-built", "resolved-failed"),
} as const satisfies Readonly<Record<string, RowAnswer<Because>>>;
