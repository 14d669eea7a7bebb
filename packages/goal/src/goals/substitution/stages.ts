import type { SubstitutableInfo } from "../../ports/substituter.js";
import type { SubstitutionResult } from "../../result/substitution-result.js";
import type { Substituter } from "../../worker/substituters.js";

/** Which stage may follow which. A stage's return type is its row. */
export const pathTransitions = {
  init: ["tryNext", "done"],
  tryNext: ["tryNext", "references", "done"],
  references: ["fetch", "done"],
  fetch: ["tryNext", "done"],
} as const;

/**
 * Why a goal of a path entered a stage. The rows of the specification behind each: docs/goal-stages.md.
 *
 * - `created`: the goal begins
 * - `already-valid`: nothing to do
 * - `not-valid`: the substituters are asked, one after another
 * - `needs-repair`: they are asked whether it is valid or not
 * - `another-store`: it has other store paths
 * - `not-offered`: it does not have the path
 * - `does-not-answer`: it threw, now or before
 * - `another-path`: what it offers is something else
 * - `not-trusted`: no key that is trusted vouches for what it offers
 * - `offered`: it has the path; its references come first
 * - `references-valid`: every reference is valid
 * - `references-failed`: a reference could not be had
 * - `gone`: it had offered the path and does not have it any more
 * - `fetch-failed`: what came was not what was offered, or did not come
 * - `substituted`: the path is valid
 * - `no-substituters`: none is left
 * - `error`: the world around the goal failed
 */
export type PathBecause =
  | "created"
  | "already-valid"
  | "not-valid"
  | "needs-repair"
  | "another-store"
  | "not-offered"
  | "does-not-answer"
  | "another-path"
  | "not-trusted"
  | "offered"
  | "references-valid"
  | "references-failed"
  | "gone"
  | "fetch-failed"
  | "substituted"
  | "no-substituters"
  | "error";

/** What one substituter offers, as it says it. */
export interface Offer {
  readonly from: Substituter;
  readonly info: SubstitutableInfo;
}

/** Where among the substituters a goal is. */
interface Position {
  /** Index of the substituter that is asked next. */
  readonly next: number;
  /** The last failure of one that had offered the path. */
  readonly failure?: string | undefined;
}

/** What is known on entering a stage. */
export type PathStage =
  | { readonly at: "init"; readonly because: PathBecause }
  | ({ readonly at: "tryNext"; readonly because: PathBecause } & Position)
  | ({ readonly at: "references"; readonly because: PathBecause; readonly offer: Offer } & Position)
  | ({ readonly at: "fetch"; readonly because: PathBecause; readonly offer: Offer } & Position)
  | { readonly at: "done"; readonly because: PathBecause; readonly result: SubstitutionResult };

export type PathStageName = PathStage["at"];
export type AtPath<Name extends PathStageName> = Extract<PathStage, { readonly at: Name }>;
export type NextPath<Name extends keyof typeof pathTransitions> = Promise<
  AtPath<(typeof pathTransitions)[Name][number]>
>;
