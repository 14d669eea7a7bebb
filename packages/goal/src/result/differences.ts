import type { OutputName, StorePath } from "@drvkit/drv-parser";
import type { TreeStat } from "../ports/trees.js";

/** Which of two trees: what is registered, or what was built to compare with it. */
export type Compared = "registered" | "built";

/**
 * Why contents differ, where that shows: lines stand in another order; the time of the build is in it; so is the name of a file, as
 * that of a build directory.
 */
export type DifferenceReason = "order" | "time" | "path";

/**
 * How one file of an output differs. `file` is its path below the output, and empty for the output itself. Of bytes that are no plain
 * text the texts say `\xNN`.
 */
export type FileDifference = { readonly file: string } & (
  | { readonly kind: "only"; readonly onlyIn: Compared }
  /** Only there its owner may execute it. */
  | { readonly kind: "executable"; readonly onlyIn: Compared }
  | { readonly kind: "type"; readonly registered: TreeStat["type"]; readonly built: TreeStat["type"] }
  | {
      readonly kind: "target";
      readonly registered: string;
      readonly built: string;
      readonly reason?: DifferenceReason;
    }
  | {
      readonly kind: "contents";
      readonly registeredSizeBytes: number;
      readonly builtSizeBytes: number;
      /** The first byte that differs. */
      readonly offset: number;
      /** What is around that byte. */
      readonly registered: string;
      readonly built: string;
      readonly reason?: DifferenceReason;
    }
);

/** What a check found of one output. */
export interface OutputDifference {
  readonly output: OutputName;
  /** The registered one. */
  readonly path: StorePath;
  /** Where what was built is kept. */
  readonly kept?: string;
  /** The first of its files that differ, in the order of archives. */
  readonly files: readonly FileDifference[];
  /** How many do. */
  readonly count: number;
}
