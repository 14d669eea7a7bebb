import type {
  Derivation,
  DerivationOutline,
  Hash,
  OutputName,
  StoreDir,
  StorePath,
} from "@drvkit/drv-parser";
import type { DrvOutput, PathInfo, Realisation } from "@drvkit/narinfo";

/** Exclusive locks on a set of outputs, held by one stage of one goal. */
export interface OutputLocks extends AsyncDisposable {
  /** Delete the lock files on release; asked for only once the outputs are registered. */
  deleteOnRelease(): void;
}

/** The outputs whose paths a derivation states, and those of them that are valid. */
export interface KnownOutputs {
  readonly paths: ReadonlyMap<OutputName, StorePath>;
  readonly valid: ReadonlySet<StorePath>;
}

/**
 * What goals ask of a store. Every answer is of the moment: ask again after an `await`.
 * `@drvkit/store-lmdb` and the memory store of `@drvkit/goal/testing` satisfy it.
 */
export interface StorePort {
  readonly storeDir: StoreDir;
  queryPathInfo(path: StorePath): Promise<PathInfo | undefined>;
  /** The subset of `paths` that is valid. */
  queryValidPaths(paths: Iterable<StorePath>): Promise<ReadonlySet<StorePath>>;
  /** Forward closure, references included, in byte order; throws `ERR_STORE_NOT_VALID` on the first invalid member. */
  queryClosure(starts: Iterable<StorePath>): Promise<readonly StorePath[]>;
  /** The derivation at a valid `.drv` path; throws `ERR_STORE_NOT_VALID`. */
  readDerivation(drvPath: StorePath): Promise<Derivation>;
  /**
   * The outputs whose paths a valid derivation states, valid or not: all of them, or none where only a build can tell.
   * Throws `ERR_STORE_NOT_VALID`.
   */
  queryDerivationOutputs(drvPath: StorePath): Promise<ReadonlyMap<OutputName, StorePath>>;
  /**
   * The hash modulo of each output of a valid derivation, its own paths left out: what its realisations are named by.
   * Throws `ERR_STORE_NOT_VALID`.
   */
  queryOutputHashes(drvPath: StorePath): Promise<ReadonlyMap<OutputName, Hash>>;
  /** What is registered of an output whose path only a build could tell. */
  queryRealisation(id: DrvOutput): Promise<Realisation | undefined>;
  /**
   * Registers that an output has a path, which is valid. Throws `ERR_STORE_NOT_VALID`; `ERR_REALISATION_CONFLICT` when another
   * path is registered; `ERR_STORE_REALISATION` when what it depends on is not.
   */
  registerRealisation(realisation: Realisation): Promise<void>;
  /** Writes a derivation whose inputs are valid; its path. */
  addDerivation(drv: Derivation): Promise<StorePath>;
  /**
   * Protects derivations from garbage collection to the end of the process, and the outputs whose paths the valid ones state. What is
   * known of those outputs then, as of one moment.
   */
  protectKnownOutputs(drvPaths: Iterable<StorePath>): Promise<ReadonlyMap<StorePath, KnownOutputs>>;
  /** What those of the derivations that are valid make and need. Asked of many at once. */
  queryDerivationOutlines(drvPaths: Iterable<StorePath>): Promise<ReadonlyMap<StorePath, DerivationOutline>>;
  /** Protects them from garbage collection to the end of the process. */
  addTempRoots(paths: Iterable<StorePath>): Promise<void>;
  /** All locks or none, never waiting: `undefined` when one is held by somebody else. `targets` are store paths. */
  tryLockOutputs(targets: readonly StorePath[]): Promise<OutputLocks | undefined>;
  /** Where the tree of `path` lies on this machine, valid or not. */
  realPathOf(path: StorePath): string;
  /** A fresh private directory (0700) on the store's file system, removed on disposal. */
  makeTempDir(): Promise<{ readonly path: string } & AsyncDisposable>;
  /**
   * Makes an object valid whose archive comes from elsewhere; its references are. Verified before it is visible, and
   * nothing is left of one that is refused. With `repair` it takes the place of an object that is valid already;
   * with `isLocked` the caller holds the lock of its path, which is taken otherwise. Throws
   * `ERR_STORE_HASH_MISMATCH` when hash, size or content address are not what `info` says; whatever `archive` throws;
   * the reason of the signal.
   */
  addFromArchive(
    info: PathInfo,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly signal: AbortSignal; readonly repair?: boolean; readonly isLocked?: boolean },
  ): Promise<void>;
  /** Make all of them valid in one transaction, or none. */
  registerValidPaths(infos: readonly PathInfo[]): Promise<void>;
}
