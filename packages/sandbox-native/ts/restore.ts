import type { Cancellable } from "./cancel.js";
import type { Outcome } from "./error.js";
import type { TreeHash } from "./hash.js";
import { loadAddon } from "./platform.js";
import { type BytePipe, type ByteSource, bytesOf, Way } from "./streams.js";

/** How {@link restoreTree} writes. */
export interface RestoreOptions extends Cancellable {
  /**
   * Waits until the tree is on the disk: each file and directory, then its name. Default: false. It is Nix's setting `fsync-store-paths`.
   */
  readonly sync?: boolean | undefined;
}

/** SHA-256 of an archive, and its size. */
export interface NarHash {
  readonly narHash: Uint8Array;
  readonly narSizeBytes: number;
}

interface TreeRestore {
  take(archive: BytePipe): Promise<Outcome<boolean>>;
  finish(): Promise<Outcome<TreeHash>>;
  close(): Promise<Outcome<void>>;
}

interface RestoreAddon {
  readonly TreeRestore: new (target: string, sync: boolean) => TreeRestore;
}

/**
 * Writes the tree of an archive to a path where nothing is, and says what the archive's hash was. It appears there when the archive has
 * come to its end and not before; what is not finished is removed. Modes are those of fresh files, narrowed by the umask; the owner's
 * execute bit is kept.
 *
 * @param archive In pieces, each of which is written before the next one is asked for; or the path of an archive.
 * @throws SandboxError `ERR_TREE_ARCHIVE` for what is no archive, or more than one; `ERR_TREE_EXISTS`; `ERR_NO_SPACE`; `ERR_TREE_IO`;
 * whatever `archive` throws; the reason of the signal.
 * @see Nix: src/libutil/archive.cc, `restorePath`
 */
export async function restoreTree(
  archive: ByteSource,
  target: string,
  { signal, sync = false }: RestoreOptions = {},
): Promise<NarHash> {
  const way = new Way(bytesOf(archive, signal));
  const restore = new (loadAddon() as RestoreAddon).TreeRestore(target, sync);
  try {
    while (!(await way.settle(restore.take(way.pipe)))) await way.feed();
    signal?.throwIfAborted();
    const { digest, sizeBytes } = await way.settle(restore.finish());
    return { narHash: digest, narSizeBytes: sizeBytes };
  } catch (error) {
    await restore.close();
    throw error;
  } finally {
    await way.close();
  }
}
