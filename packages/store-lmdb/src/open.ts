import { defaultStoreDir, type StoreDir } from "@drvkit/drv-parser";
import { CacheEnvironment } from "./cache.js";
import { Environment } from "./environment.js";
import { fileSystemType } from "./files.js";
import { computeLayout, existingAncestor, type Layout, refuseForeign, refuseNetwork } from "./layout.js";
import { LmdbStore, makeDirectories } from "./lmdb-store.js";
import { TempRoots } from "./roots.js";
import { sweepDeadProcesses } from "./sweep.js";

/** Which store {@link openStore} opens, and for what. */
export interface OpenOptions {
  /** The directory that has `nix/store` and `nix/var` in it, or will have. */
  readonly root: string;
  /** The directory that paths are computed with; `/nix/store` unless given. */
  readonly storeDir?: StoreDir;
  /** Ask only: needs no permission to write and changes nothing. A store that does not exist has no valid paths. */
  readonly readOnly?: boolean;
  /** Waits before an object is registered until its files are on the disk. Default: false, as Nix's `fsync-store-paths`. */
  readonly syncPaths?: boolean;
  /** Told what does not stop anything, such as a cache that cannot be used. */
  readonly onWarning?: (message: string) => void;
}

/**
 * Opens the store below `root`, and makes it if it does not exist and is opened for writing. Any number of processes may
 * have it open.
 *
 * @throws `ERR_STORE_FOREIGN`, `ERR_STORE_NETWORK_FS`, `ERR_STORE_DIR_MISMATCH`, `ERR_STORE_FORMAT`, `ERR_STORE_READ_ONLY`,
 * `ERR_STORE_UNREADABLE`,
 * `ERR_STORE_NO_SPACE`; `ERR_PLATFORM` where `@drvkit/sandbox-native` has no binary.
 */
export async function openStore(options: OpenOptions): Promise<LmdbStore> {
  const {
    storeDir = defaultStoreDir,
    readOnly = false,
    syncPaths = false,
    onWarning = () => undefined,
  } = options;
  const layout = await computeLayout(options.root);
  refuseForeign(layout, readOnly ? "read" : "write");
  const place = existingAncestor(layout.databaseDir);
  refuseNetwork(place, fileSystemType(place));
  if (!readOnly) await makeDirectories(layout);
  const shared = acquire(layout);
  shared.listeners.add(onWarning);
  const give = () => release(layout, shared, onWarning);
  try {
    const { environment, tempRoots, cache } = await shared.parts;
    if (readOnly) environment.checkStoreDir(storeDir);
    else {
      await environment.openForWriting(storeDir);
      await sweepDeadProcesses(layout);
    }
    const how = { storeDir, layout, readOnly, syncPaths };
    return new LmdbStore({ ...how, environment, tempRoots, cache, release: give });
  } catch (error) {
    await give();
    throw error;
  }
}

/** What all stores of this process on one root share: LMDB's locks and our temp roots belong to the process. */
interface Shared {
  readonly parts: Promise<{
    readonly environment: Environment;
    readonly tempRoots: TempRoots;
    readonly cache: CacheEnvironment;
  }>;
  readonly listeners: Set<(message: string) => void>;
  users: number;
}

const open = new Map<string, Shared>();
/** Closings under way: the next opening waits for them, since both use the same files. */
const closing = new Map<string, Promise<void>>();

function acquire(layout: Layout): Shared {
  let shared = open.get(layout.root);
  if (shared === undefined) {
    const listeners: Shared["listeners"] = new Set();
    const warn = (message: string) => {
      for (const listener of listeners) listener(message);
    };
    shared = { parts: makeParts(layout, warn, closing.get(layout.root)), listeners, users: 0 };
    open.set(layout.root, shared);
  }
  shared.users++;
  return shared;
}

async function makeParts(
  layout: Layout,
  onWarning: (message: string) => void,
  after: Promise<void> | undefined,
): Shared["parts"] {
  await after;
  return {
    environment: await Environment.make(layout.databaseDir),
    tempRoots: new TempRoots(layout.stateDir),
    cache: new CacheEnvironment(layout, onWarning),
  };
}

async function release(layout: Layout, shared: Shared, listener: (message: string) => void): Promise<void> {
  shared.listeners.delete(listener);
  shared.users--;
  if (shared.users > 0) return;
  open.delete(layout.root);
  const closed = closeParts(shared.parts);
  closing.set(layout.root, closed);
  try {
    await closed;
  } finally {
    if (closing.get(layout.root) === closed) closing.delete(layout.root);
  }
}

async function closeParts(parts: Shared["parts"]): Promise<void> {
  const { environment, tempRoots, cache } = await parts;
  await cache.close();
  await environment.close();
  await tempRoots.close();
}
