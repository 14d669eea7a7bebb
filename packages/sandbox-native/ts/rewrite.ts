import { type CancelFlag, type Cancellable, cancellable } from "./cancel.js";
import type { Outcome } from "./error.js";
import type { TreeHash } from "./hash.js";
import { loadAddon } from "./platform.js";

interface RewriteAddon {
  rewriteTree(
    source: string,
    target: string,
    from: readonly string[],
    to: readonly string[],
    cancel: CancelFlag,
  ): Promise<Outcome<TreeHash>>;
  hashTreeModulo(path: string, text: string, cancel: CancelFlag): Promise<Outcome<TreeHash>>;
}

const addon = () => loadAddon() as RewriteAddon;

/**
 * Makes a copy of a tree in which hash parts are replaced wherever they stand: in files, names and links. Modes are those of fresh
 * files. A copy that fails leaves nothing behind.
 *
 * @param rewrites Texts by the texts that stand for them, all of one length.
 * @throws as `dumpTree` and `restoreTree`; a plain error for texts of several lengths.
 * @see Nix: src/libstore/references.cc, `RewritingSink`
 */
export async function rewriteTree(
  source: string,
  target: string,
  rewrites: ReadonlyMap<string, string>,
  { signal }: Cancellable = {},
): Promise<void> {
  const [from, to] = [[...rewrites.keys()], [...rewrites.values()]];
  await cancellable(signal, (flag) => addon().rewriteTree(source, target, from, to, flag));
}

/**
 * sha256 of the archive of a tree that names itself: zeros stand for its hash part, and the offsets at which it stood are hashed behind
 * the rest.
 *
 * @throws as `dumpTree`; a plain error for an empty text; the reason of the signal.
 * @see Nix: src/libstore/references.cc, `HashModuloSink`
 */
export async function hashTreeModulo(
  path: string,
  hashPart: string,
  { signal }: Cancellable = {},
): Promise<Uint8Array> {
  const { digest } = await cancellable(signal, (flag) => addon().hashTreeModulo(path, hashPart, flag));
  return digest;
}
