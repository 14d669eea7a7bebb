import { type CancelFlag, type Cancellable, cancellable } from "./cancel.js";
import type { Outcome } from "./error.js";
import type { EntryType } from "./listing.js";
import { loadAddon } from "./platform.js";

/** One difference between two trees. `path` is that of the file below the top, and empty for the top itself. */
export type TreeDifference = { readonly path: Uint8Array } & (
  | { readonly kind: "only"; readonly onlyIn: "one" | "other" }
  | { readonly kind: "executable"; readonly onlyIn: "one" | "other" }
  | { readonly kind: "type"; readonly one: EntryType; readonly other: EntryType }
  /** A link with two targets. */
  | { readonly kind: "target"; readonly one: Uint8Array; readonly other: Uint8Array }
  | {
      readonly kind: "contents";
      readonly oneSizeBytes: number;
      readonly otherSizeBytes: number;
      /** The first byte that differs. */
      readonly offset: number;
      /** Where `one` and `other` begin, which are what is around that byte: at most 512 bytes before it and as many after. */
      readonly aroundOffset: number;
      readonly one: Uint8Array;
      readonly other: Uint8Array;
      /** The same lines, in another order. */
      readonly sameLines: boolean;
    }
);

/** What differs between two trees. */
export interface TreeComparison {
  /** The first of them, in the order of archives. */
  readonly differences: readonly TreeDifference[];
  /** How many there are. */
  readonly count: number;
}

/** How trees are compared. */
export interface CompareOptions extends Cancellable {
  /** How many differences are described; the others are counted. Default: 1000. */
  readonly limit?: number;
}

interface CompareAddon {
  compareTrees(
    one: string,
    other: string,
    limit: number,
    cancel: CancelFlag,
  ): Promise<Outcome<TreeComparison>>;
}

/**
 * What differs between two trees, of all that archives hold of them. Links are not followed.
 *
 * @throws SandboxError `ERR_TREE_DEPTH` for more than 64 levels; `ERR_TREE_CHANGED`; `ERR_TREE_IO`, also when one is not there.
 * @example
 * const { count, differences } = await compareTrees("result", "result.check");
 */
export async function compareTrees(
  one: string,
  other: string,
  { limit = 1000, signal }: CompareOptions = {},
): Promise<TreeComparison> {
  return await cancellable(signal, (flag) =>
    (loadAddon() as CompareAddon).compareTrees(one, other, limit, flag),
  );
}
