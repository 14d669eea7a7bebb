import { namePartOf, type StorePath } from "@drvkit/drv-parser";
import { type DrvOutput, printDrvOutput } from "@drvkit/narinfo";

/** Identity and order of a goal: byte order of keys is the order in which goals run. */
export type GoalKey = string & { readonly __brand: "GoalKey" };

/** Key of the goal of one derivation: `b$NAME$PATH`. @see Nix: src/libstore/build/derivation-goal.cc, `key` */
export function makeDerivationGoalKey(drvPath: StorePath): GoalKey {
  return `b$${namePartOf(drvPath)}$${drvPath}` as GoalKey;
}

/**
 * Key of the goal of one substituted path: `a$NAME$PATH`, before all derivations.
 *
 * @see Nix: src/libstore/build/substitution-goal.hh, `key`
 */
export function makePathGoalKey(path: StorePath): GoalKey {
  return `a$${namePartOf(path)}$${path}` as GoalKey;
}

/**
 * Key of the goal of one realisation: `a$ID`.
 *
 * @see Nix: src/libstore/build/drv-output-substitution-goal.cc, `key`
 */
export function makeRealisationGoalKey(id: DrvOutput): GoalKey {
  return `a$${printDrvOutput(id)}` as GoalKey;
}
