import { namePartOf, type StorePath } from "@drvkit/drv-parser";
import { type DrvOutput, printDrvOutput } from "@drvkit/narinfo";
import type { BuildMode } from "../settings.js";
import type { PathRequest } from "./context.js";

/** Identity and order of a goal: byte order of keys is the order in which goals run. */
export type GoalKey = string & { readonly __brand: "GoalKey" };

/**
 * Key of the goal of one derivation: `b$NAME$PATH`. One that checks or repairs is another goal: `b$NAME$MODE$PATH`.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `key`
 */
export function makeDerivationGoalKey(drvPath: StorePath, mode: BuildMode = "normal"): GoalKey {
  return `b$${namePartOf(drvPath)}$${mode === "normal" ? "" : `${mode}$`}${drvPath}` as GoalKey;
}

/**
 * Key of the goal of one path that comes from elsewhere: `a$NAME$PATH`, before all derivations. One that replaces what
 * is there is another goal, and so is one that copies from the evaluation store: `a$NAME$HOW$PATH`.
 *
 * @see Nix: src/libstore/build/substitution-goal.hh, `key`
 */
export function makePathGoalKey({ path, repair = false, from }: PathRequest): GoalKey {
  const how = from === "evalStore" ? "copy$" : repair ? "repair$" : "";
  return `a$${namePartOf(path)}$${how}${path}` as GoalKey;
}

/**
 * Key of the goal of one realisation: `a$ID`.
 *
 * @see Nix: src/libstore/build/drv-output-substitution-goal.cc, `key`
 */
export function makeRealisationGoalKey(id: DrvOutput): GoalKey {
  return `a$${printDrvOutput(id)}` as GoalKey;
}
