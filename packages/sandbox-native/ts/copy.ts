import { type CancelFlag, type Cancellable, cancellable } from "./cancel.js";
import type { Outcome } from "./error.js";
import type { TreeHash } from "./hash.js";
import { loadAddon } from "./platform.js";

/** What {@link copyTree} copies. */
export interface CopyOptions extends Cancellable {
  /**
   * Paths below the top, directories among them, each ended by a zero byte, names as bytes: nothing else is copied or looked at.
   * Default: everything.
   */
  readonly keep?: Uint8Array | undefined;
}

type Copy<T> = (
  source: string,
  target: string,
  keep: Uint8Array | undefined,
  cancel: CancelFlag,
) => Promise<Outcome<T>>;

interface CopyAddon {
  readonly copyTree: Copy<void>;
  readonly copyCanonical: Copy<TreeHash>;
}

const addon = () => loadAddon() as CopyAddon;

/**
 * Copies a tree to a path where nothing is. Links are copied, hard links become files of their own, the owner's execute bit is kept and no
 * other metadata. A copy that fails leaves nothing behind.
 *
 * What its owner cannot read is not copied: canonicalise a builder's tree first.
 *
 * @throws SandboxError `ERR_TREE_EXISTS` when `target` is taken; `ERR_TREE_TYPE`; `ERR_TREE_DEPTH`; `ERR_TREE_CHANGED`; `ERR_NO_SPACE`;
 * `ERR_TREE_IO`.
 */
export async function copyTree(source: string, target: string, options: CopyOptions = {}): Promise<void> {
  const { keep, signal } = options;
  await cancellable(signal, (flag) => addon().copyTree(source, target, keep, flag));
}

/**
 * As {@link copyTree}, {@link canonicaliseTree} and {@link hashTree} of the copy, in one pass. Nobody else may write where the copy is
 * made.
 *
 * @returns sha256 of the archive of the copy, whatever happens to the source meanwhile.
 * @throws As {@link copyTree}.
 */
export async function copyCanonicalTree(
  source: string,
  target: string,
  options: CopyOptions = {},
): Promise<TreeHash> {
  const { keep, signal } = options;
  return cancellable(signal, (flag) => addon().copyCanonical(source, target, keep, flag));
}
