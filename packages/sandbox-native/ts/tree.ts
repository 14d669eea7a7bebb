import { lstatSync } from "node:fs";
import { type CancelFlag, type Cancellable, cancellable } from "./cancel.js";
import { type Outcome, unwrap } from "./error.js";
import { loadAddon } from "./platform.js";
import type { ScanResult, TreeStat } from "./types.js";

/**
 * Files that were canonicalised in one build. Give the same set for every output of a build: a hard link may join two of them.
 * Made by {@link makeSeenInodes}.
 */
export interface SeenInodes {
  readonly [seenInodes]: true;
}
declare const seenInodes: unique symbol;

/** How {@link canonicaliseTree} treats owners. */
export interface CanonicaliseOptions extends Cancellable {
  /** The only owner that files may have; without it any owner is taken. */
  readonly allowedUids?: { readonly first: number; readonly count: number };
  /** Default: a set of this call's own. */
  readonly seen?: SeenInodes;
}

interface TreeAddon {
  canonicaliseTree(
    path: string,
    firstUid: number | undefined,
    uidCount: number | undefined,
    seen: SeenInodes,
    cancel: CancelFlag,
  ): Promise<Outcome<void>>;
  canonicaliseAndScanTree(
    path: string,
    hashParts: readonly string[],
    firstUid: number | undefined,
    uidCount: number | undefined,
    seen: SeenInodes,
    cancel: CancelFlag,
  ): Promise<Outcome<ScanResult>>;
  removeTrees(paths: readonly string[], cancel: CancelFlag): Promise<Outcome<void>>;
  syncTree(path: string, cancel: CancelFlag): Promise<Outcome<void>>;
  // A rename takes less time than handing it to another thread.
  moveTree(from: string, to: string): Outcome<void>;
  replaceTree(from: string, to: string): Outcome<void>;
  statTree(path: string): Outcome<TreeStat | null>;
  readonly SeenInodes: new () => SeenInodes;
}

const addon = () => loadAddon() as TreeAddon;

/** A set for the `seen` of {@link canonicaliseTree}. */
export function makeSeenInodes(): SeenInodes {
  return new (addon().SeenInodes)();
}

/**
 * Gives every file of a tree its canonical metadata: mode 0444 or 0555, modified one second after the epoch, owned by us, without extended
 * attributes. Directories are 0555.
 *
 * A file of a foreign owner is refused before anything about it is changed; what was visited before it stays changed.
 *
 * @throws SandboxError `ERR_TREE_OWNERSHIP` for an owner outside of `allowedUids`, unless it is a further link to a file of `seen`;
 * `ERR_TREE_TYPE`; `ERR_TREE_IO`.
 * @see Nix: src/libstore/posix-fs-canonicalise.cc, `canonicalisePathMetaData`
 */
export async function canonicaliseTree(path: string, options: CanonicaliseOptions = {}): Promise<void> {
  const { allowedUids, seen = makeSeenInodes(), signal } = options;
  await cancellable(signal, (flag) =>
    addon().canonicaliseTree(path, allowedUids?.first, allowedUids?.count, seen, flag),
  );
}

/**
 * {@link canonicaliseTree} and then {@link scanTree} in one call: one way to another thread and back instead of two.
 *
 * @throws As both.
 */
export async function canonicaliseAndScanTree(
  path: string,
  hashParts: readonly string[],
  options: CanonicaliseOptions = {},
): Promise<ScanResult> {
  const { allowedUids, seen = makeSeenInodes(), signal } = options;
  return cancellable(signal, (flag) =>
    addon().canonicaliseAndScanTree(path, hashParts, allowedUids?.first, allowedUids?.count, seen, flag),
  );
}

/**
 * Removes a tree, also one without permissions and of any depth. Links are removed, not followed. An absent path is fine. A removal that
 * the signal ends leaves the rest.
 *
 * @throws SandboxError `ERR_TREE_IO`, among others for something mounted inside; the reason of the signal.
 */
export async function removeTree(path: string, options: Cancellable = {}): Promise<void> {
  // Most often there is none: asking costs less than handing the removal to another thread.
  if (existsWithoutFollowing(path)) await removeTrees([path], options);
}

/**
 * Removes trees one after another, each as {@link removeTree} does, until one cannot be removed.
 *
 * @throws SandboxError as {@link removeTree}.
 */
export async function removeTrees(paths: readonly string[], { signal }: Cancellable = {}): Promise<void> {
  await cancellable(signal, (flag) => addon().removeTrees(paths, flag));
}

function existsWithoutFollowing(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true; // what is wrong with it is told by the removal
  }
}

/**
 * Waits until a tree is on the disk: every file and directory of it, and the name of its top.
 *
 * @throws SandboxError `ERR_TREE_TYPE` for a file that is neither regular, directory nor link; `ERR_TREE_IO`; the reason of the signal.
 */
export async function syncTree(path: string, { signal }: Cancellable = {}): Promise<void> {
  await cancellable(signal, (flag) => addon().syncTree(path, flag));
}

/**
 * Renames a tree to a free path on the same file system, also a read-only directory.
 *
 * @throws SandboxError `ERR_TREE_EXISTS` when `to` is taken; `ERR_TREE_IO`, with `errno` EXDEV across file systems.
 */
export async function moveTree(from: string, to: string): Promise<void> {
  unwrap(addon().moveTree(from, to));
}

/**
 * Puts a tree where another one may be, on the same file system and in one step: at no moment is nothing at `to`. What was there is at
 * `from` afterwards.
 *
 * @throws SandboxError `ERR_TREE_IO`, with `errno` EXDEV across file systems.
 */
export async function replaceTree(from: string, to: string): Promise<void> {
  unwrap(addon().replaceTree(from, to));
}

/**
 * The top of a tree, not followed when it is a link; `undefined` when nothing is there.
 *
 * @throws SandboxError `ERR_TREE_IO`
 */
export async function statTree(path: string): Promise<TreeStat | undefined> {
  return unwrap(addon().statTree(path)) ?? undefined;
}
