import { mkdir } from "node:fs/promises";
import {
  baseNameOf,
  type Derivation,
  type DerivationOutline,
  type Hash,
  type OutputName,
  printDerivation,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import type { DrvOutput, PathInfo, Realisation } from "@drvkit/narinfo";
import {
  type AddOptions,
  addText,
  addTree,
  type ImportedObject,
  importObject,
  makeTempDir,
  type TempDir,
} from "./add.js";
import type { AddFromArchiveOptions } from "./add-archive.js";
import type { StoreCache } from "./cache.js";
import { type ClosureOptions, computeClosure, sortTopologically } from "./closure.js";
import { DerivationReader } from "./derivations.js";
import type { Environment } from "./environment.js";
import { fileError, notValid, readOnly, StoreError, spaceError } from "./error.js";
import { syncTree } from "./files.js";
import type { Layout } from "./layout.js";
import { type LockOptions, lockOutputs, type OutputLocks, tryLockOutputs } from "./locks.js";
import { type KnownOutputs, knownOutputs, queryOutlines, queryStatedOutputs } from "./outlines.js";
import { Snapshot } from "./query.js";
import { putRealisation, queryRealisation } from "./realisations.js";
import { registerValidPaths } from "./register.js";
import type { TempRoots } from "./roots.js";

/** What one opening holds: shared with the other stores of this process on the same root. */
export interface StoreParts {
  readonly storeDir: StoreDir;
  readonly layout: Layout;
  readonly readOnly: boolean;
  readonly syncPaths: boolean;
  readonly environment: Environment;
  readonly tempRoots: TempRoots;
  readonly cache: StoreCache;
  /** Gives the shared parts back. */
  release(): Promise<void>;
}

/**
 * An open store. Every answer is of the moment: ask again after an `await`.
 *
 * Made by `openStore`; disposing closes it.
 */
export class LmdbStore implements AsyncDisposable {
  /** The directory that paths are computed with, wherever the files are. */
  readonly storeDir: StoreDir;
  /** The directory that has `nix/store` and `nix/var` in it, links on the way to it followed. */
  readonly root: string;
  /** Where the files are. */
  readonly realStoreDir: string;
  /** Database, temp roots, GC roots. */
  readonly stateDir: string;
  /** Build logs. */
  readonly logDir: string;
  readonly readOnly: boolean;
  /** What may be forgotten at any time; a store that is open for reading only remembers nothing. */
  readonly cache: StoreCache;
  readonly #parts: StoreParts;
  readonly #derivations: DerivationReader;
  #closed = false;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.storeDir = parts.storeDir;
    this.root = parts.layout.root;
    this.realStoreDir = parts.layout.realStoreDir;
    this.stateDir = parts.layout.stateDir;
    this.logDir = parts.layout.logDir;
    this.readOnly = parts.readOnly;
    this.cache = parts.readOnly ? forgetful : parts.cache;
    this.#derivations = new DerivationReader(this.storeDir, (path) => this.realPathOf(path));
  }

  /** What is known about `path`, if it is valid. */
  async queryPathInfo(path: StorePath): Promise<PathInfo | undefined> {
    return this.#read((snapshot) => snapshot.queryPathInfo(path));
  }

  /** @throws `ERR_STORE_NOT_VALID` */
  async requirePathInfo(path: StorePath): Promise<PathInfo> {
    const info = await this.queryPathInfo(path);
    if (info === undefined) throw notValid(path);
    return info;
  }

  /** The subset of `paths` that is valid. */
  async queryValidPaths(paths: Iterable<StorePath>): Promise<ReadonlySet<StorePath>> {
    return this.#read((snapshot) => new Set([...paths].filter((path) => snapshot.isValid(path))));
  }

  /** Every valid path, in byte order. */
  async queryAllValidPaths(): Promise<ReadonlySet<StorePath>> {
    return this.#read((snapshot) => snapshot.queryAllValidPaths());
  }

  /** Valid paths that refer to `path`, itself included if it does, in byte order. */
  async queryReferrers(path: StorePath): Promise<readonly StorePath[]> {
    return this.#read((snapshot) => snapshot.queryReferrers(path));
  }

  /** Valid derivations that have `path` as an output whose path they state, in byte order. */
  async queryDerivers(path: StorePath): Promise<readonly StorePath[]> {
    return this.#read((snapshot) => snapshot.queryDerivers(path));
  }

  /**
   * The outputs whose paths a valid derivation states, valid or not; floating, deferred and impure ones are not among them.
   *
   * @throws `ERR_STORE_NOT_VALID`
   */
  async queryDerivationOutputs(drvPath: StorePath): Promise<ReadonlyMap<OutputName, StorePath>> {
    return this.#read((snapshot) => snapshot.requireDerivationOutputs(drvPath));
  }

  /** The same of those of the derivations that are valid, and which of the outputs are valid, as of one moment. */
  async queryKnownOutputs(drvPaths: Iterable<StorePath>): Promise<ReadonlyMap<StorePath, KnownOutputs>> {
    return this.#read((snapshot) => knownOutputs(snapshot, queryStatedOutputs(snapshot, drvPaths)));
  }

  /**
   * What those of the derivations that are valid make and need. Their files are not read unless an older version
   * registered them.
   *
   * @throws `ERR_DRV_SYNTAX`
   */
  async queryDerivationOutlines(
    drvPaths: Iterable<StorePath>,
  ): Promise<ReadonlyMap<StorePath, DerivationOutline>> {
    return this.#read((snapshot) => queryOutlines(snapshot, this.#derivations, drvPaths));
  }

  /**
   * The valid path that begins with these 32 characters.
   *
   * @throws `ERR_STORE_HASH_PART`
   */
  async queryPathFromHashPart(hashPart: string): Promise<StorePath | undefined> {
    return this.#read((snapshot) => snapshot.queryPathFromHashPart(hashPart));
  }

  /**
   * All that is reachable from `starts`, on one snapshot, in byte order.
   *
   * @throws `ERR_STORE_NOT_VALID` for the first path that is not valid, except towards referrers.
   */
  async queryClosure(starts: Iterable<StorePath>, options?: ClosureOptions): Promise<readonly StorePath[]> {
    return this.#read((snapshot) => computeClosure(snapshot, starts, options));
  }

  /** `paths` with every path before what it refers to; paths that are not valid refer to nothing. */
  async sortTopologically(paths: Iterable<StorePath>): Promise<readonly StorePath[]> {
    return this.#read((snapshot) => sortTopologically(paths, (path) => snapshot.queryReferences(path) ?? []));
  }

  /**
   * The derivation at a valid `.drv` path.
   *
   * @throws `ERR_STORE_NOT_VALID`, `ERR_DRV_SYNTAX`
   */
  async readDerivation(drvPath: StorePath): Promise<Derivation> {
    if (!this.#read((snapshot) => snapshot.isValid(drvPath))) throw notValid(drvPath);
    return this.#derivations.read(drvPath);
  }

  /**
   * The hash modulo of each output of a valid derivation: what its realisations are named by.
   *
   * @throws `ERR_STORE_NOT_VALID`, `ERR_DRV_SYNTAX`
   */
  async queryOutputHashes(drvPath: StorePath): Promise<ReadonlyMap<OutputName, Hash>> {
    if (!this.#read((snapshot) => snapshot.isValid(drvPath))) throw notValid(drvPath);
    return this.#derivations.outputHashes(drvPath);
  }

  /** What is registered of an output of a derivation. */
  async queryRealisation(id: DrvOutput): Promise<Realisation | undefined> {
    this.#requireOpen();
    return this.#parts.environment.read((tables) => queryRealisation(tables, this.storeDir, id));
  }

  /**
   * Registers the path that an output has, or adds signatures to what is registered of it.
   *
   * @throws `ERR_STORE_NOT_VALID`, `ERR_STORE_REALISATION`; `ERR_REALISATION_CONFLICT` when it has another path already.
   */
  async registerRealisation(realisation: Realisation): Promise<void> {
    this.#requireWritable();
    await this.#parts.environment.write((tables) => putRealisation(tables, this.storeDir, realisation));
  }

  /** Writes a derivation, whose inputs must be valid. */
  async addDerivation(drv: Derivation): Promise<StorePath> {
    const references = [...drv.inputDrvs.keys(), ...drv.inputSrcs];
    return (await this.addText(`${drv.name}.drv`, printDerivation(drv), references)).path;
  }

  /** Where the tree of `path` lies on this machine, valid or not. */
  realPathOf(path: StorePath): string {
    return `${this.realStoreDir}/${baseNameOf(path)}`;
  }

  /** Protects `path` from garbage collection as long as this process uses the store. A store for reading ignores it. */
  async addTempRoot(path: StorePath): Promise<void> {
    await this.addTempRoots([path]);
  }

  /** {@link addTempRoot} of all of them, which costs hardly more than of one. */
  async addTempRoots(paths: Iterable<StorePath>): Promise<void> {
    this.#requireOpen();
    if (!this.readOnly) await this.#parts.tempRoots.add(paths);
  }

  /**
   * {@link addTempRoots} of derivations and of the outputs whose paths the valid ones state; what {@link queryKnownOutputs} says of them
   * then.
   */
  async protectKnownOutputs(drvPaths: Iterable<StorePath>): Promise<ReadonlyMap<StorePath, KnownOutputs>> {
    const all = [...drvPaths];
    const stated = this.#read((snapshot) => queryStatedOutputs(snapshot, all));
    if (!this.readOnly) {
      const roots: StorePath[] = [];
      for (const path of all) roots.push(path, ...(stated.get(path)?.values() ?? []));
      await this.#parts.tempRoots.add(roots);
    }
    return this.#read((snapshot) => knownOutputs(snapshot, stated));
  }

  /** All locks or none, never waiting: `undefined` when somebody else, in this process or another, holds one. */
  async tryLockOutputs(targets: readonly StorePath[]): Promise<OutputLocks | undefined> {
    this.#requireWritable();
    return tryLockOutputs(targets, (path) => this.realPathOf(path));
  }

  /** All locks, in ascending order, waiting as long as it takes or until the signal. */
  async lockOutputs(targets: readonly StorePath[], options?: LockOptions): Promise<OutputLocks> {
    this.#requireWritable();
    return lockOutputs(targets, (path) => this.realPathOf(path), options);
  }

  /** A fresh private directory (0700) on the store's file system, removed on disposal. */
  async makeTempDir(): Promise<TempDir> {
    this.#requireWritable();
    await this.#parts.tempRoots.ensure();
    return makeTempDir(this.realStoreDir);
  }

  /**
   * Makes all of `infos` valid in one transaction, or none.
   *
   * @throws `ERR_STORE_NOT_VALID`, `ERR_STORE_CYCLE`, `ERR_STORE_PATH_MISMATCH`, `ERR_STORE_DIR_MISMATCH`, `ERR_STORE_NO_SPACE`,
   * and `ERR_DRV_…` for a derivation that is not what it claims.
   */
  async registerValidPaths(infos: readonly PathInfo[]): Promise<void> {
    this.#requireWritable();
    const { storeDir, environment: database, syncPaths } = this.#parts;
    if (syncPaths) for (const { path } of infos) await syncTree(this.realPathOf(path));
    await registerValidPaths({ storeDir, database, derivations: this.#derivations }, infos);
  }

  /** Adds a text object, a `.drv` among them. */
  async addText(name: string, bytes: Uint8Array, references: Iterable<StorePath> = []): Promise<PathInfo> {
    this.#requireWritable();
    return this.#adding(addText(this, name, { bytes, references }));
  }

  /** Adds a copy of a tree, hashed as an archive unless `options` say otherwise. */
  async addTree(name: string, sourcePath: string, options: AddOptions = {}): Promise<PathInfo> {
    this.#requireWritable();
    return this.#adding(addTree(this, name, sourcePath, options));
  }

  /** Adds a copy of a regular file, hashed by its bytes unless `options` say otherwise. */
  async addFile(name: string, sourcePath: string, options: AddOptions = {}): Promise<PathInfo> {
    return this.addTree(name, sourcePath, { method: "flat", ...options });
  }

  /**
   * Adds one object of a closure whose path is known; its references must be valid.
   *
   * @throws `ERR_STORE_PATH_MISMATCH` when the path does not follow from content and references.
   */
  async importObject(object: ImportedObject): Promise<PathInfo> {
    this.#requireWritable();
    return this.#adding(importObject(this, object));
  }

  /**
   * Makes an object valid whose archive comes from elsewhere; its references must be. Nothing is visible of it before it was compared
   * with `info`, and nothing is left of one that is refused.
   *
   * @throws `ERR_STORE_HASH_MISMATCH`, `ERR_STORE_NOT_VALID`; `ERR_TREE_ARCHIVE` for what is no archive; whatever `archive` throws;
   * the reason of the signal.
   */
  async addFromArchive(
    info: PathInfo,
    archive: AsyncIterable<Uint8Array>,
    options: AddFromArchiveOptions = {},
  ): Promise<void> {
    this.#requireWritable();
    // Loaded with the first one: most runs need none.
    const adding = import("./add-archive.js").then((module) =>
      module.addFromArchive(this, info, archive, options),
    );
    await this.#adding(adding);
  }

  /** Waits for its writes and gives the database and the temp roots back. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#parts.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #adding<T>(added: Promise<T>): Promise<T> {
    try {
      return await added;
    } catch (error) {
      throw spaceError(error, this.realStoreDir);
    }
  }

  #read<T>(query: (snapshot: Snapshot) => T): T {
    this.#requireOpen();
    return this.#parts.environment.read((tables) => query(new Snapshot(tables, this.storeDir)));
  }

  #requireOpen(): void {
    if (!this.#closed) return;
    throw new StoreError("ERR_STORE_CLOSED", `store in '${this.#parts.layout.root}' is closed`, {
      hint: "open it again, or close it later",
      path: this.#parts.layout.root,
    });
  }

  #requireWritable(): void {
    this.#requireOpen();
    const { root } = this.#parts.layout;
    if (this.readOnly) throw readOnly(`store in '${root}' is open for reading only`, root);
  }
}

const forgetful: StoreCache = { get: async () => undefined, put: async () => undefined };

/** The directories that a store that is written to has from the start; the others come with what they hold. */
export async function makeDirectories(layout: Layout): Promise<void> {
  for (const dir of [layout.realStoreDir, layout.stateDir]) {
    try {
      await mkdir(dir, { recursive: true, mode: 0o755 });
    } catch (error) {
      throw fileError(error, dir);
    }
  }
}
