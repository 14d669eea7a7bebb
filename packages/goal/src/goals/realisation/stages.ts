import type { Realisation } from "@drvkit/narinfo";
import type { RealisationResult } from "../../result/realisation-result.js";

/** Which stage may follow which. A stage's return type is its row. */
export const realisationTransitions = {
  init: ["tryNext", "done"],
  tryNext: ["tryNext", "outPath", "done"],
  outPath: ["done"],
} as const;

/**
 * Why a goal of a realisation entered a stage. The rows of the specification behind each: docs/goal-stages.md.
 *
 * - `created`: the goal begins
 * - `already-known`: nothing to do
 * - `not-known`: the substituters are asked, one after another
 * - `another-store`: it has other store paths
 * - `does-not-answer`: it threw, now or before
 * - `not-offered`: it does not know the output
 * - `another-output`: what it says is of something else
 * - `not-trusted`: no key that is trusted vouches for what it says
 * - `incompatible`: what it depends on has another path here
 * - `offered`: it knows the path; that and what it depends on come first
 * - `path-failed`: the path, or what it depends on, could not be had
 * - `registered`: the path is valid and known to be this output's
 * - `no-substituters`: none is left
 * - `error`: the world around the goal failed
 */
export type RealisationBecause =
  | "created"
  | "already-known"
  | "not-known"
  | "another-store"
  | "does-not-answer"
  | "not-offered"
  | "another-output"
  | "not-trusted"
  | "incompatible"
  | "offered"
  | "path-failed"
  | "registered"
  | "no-substituters"
  | "error";

/** What is known on entering a stage. */
export type RealisationStage =
  | { readonly at: "init"; readonly because: RealisationBecause }
  /** `next`: index of the substituter that is asked next. */
  | { readonly at: "tryNext"; readonly because: RealisationBecause; readonly next: number }
  | { readonly at: "outPath"; readonly because: RealisationBecause; readonly offer: Realisation }
  | { readonly at: "done"; readonly because: RealisationBecause; readonly result: RealisationResult };

export type RealisationStageName = RealisationStage["at"];
export type AtRealisation<Name extends RealisationStageName> = Extract<
  RealisationStage,
  { readonly at: Name }
>;
export type NextRealisation<Name extends keyof typeof realisationTransitions> = Promise<
  AtRealisation<(typeof realisationTransitions)[Name][number]>
>;
