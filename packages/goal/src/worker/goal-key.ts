import { namePartOf, type StorePath } from "@drvkit/drv-parser";

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
