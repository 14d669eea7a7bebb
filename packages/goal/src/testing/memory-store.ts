import {
  compareText,
  computeDerivationPath,
  computeHashModulo,
  computeTextPath,
  concatBytes,
  type Derivation,
  type DerivationOutline,
  defaultStoreDir,
  derivationNameOf,
  EngineError,
  type Hash,
  HashModuloCache,
  hashBytes,
  hashesEqual,
  isDerivationPath,
  type OutputName,
  outlineOf,
  outputPathsOf,
  parseDerivation,
  printDerivation,
  printHash,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import {
  type DrvOutput,
  mergeRealisations,
  type PathInfo,
  printDrvOutput,
  type Realisation,
} from "@drvkit/narinfo";
import type { EvalStorePort } from "../ports/eval-store.js";
import type { KnownOutputs, OutputLocks, StorePort } from "../ports/store.js";
import { archiveOf, treeOf } from "./fake-tree.js";
import { FakeTrees } from "./fake-trees.js";
import { pathInfoOf } from "./path-info.js";

/** A store in memory: what is valid in a map, the files in {@link FakeTrees}. */
export class MemoryStore implements StorePort, EvalStorePort {
  readonly uri = "memory";
  readonly storeDir: StoreDir;
  /** Everything that was protected from collection. */
  readonly tempRoots = new Set<StorePath>();
  /** Paths whose lock is held. */
  readonly locked = new Set<StorePath>();
  /** Paths whose lock file was deleted on release. */
  readonly deletedLocks = new Set<StorePath>();
  /** One entry per registration. */
  readonly registrations: (readonly StorePath[])[] = [];
  readonly #realisations = new Map<string, Realisation>();
  readonly #hashes = new HashModuloCache();
  readonly #valid = new Map<StorePath, PathInfo>();
  #tempDirs = 0;

  constructor(
    readonly trees: FakeTrees = new FakeTrees(),
    options: { readonly storeDir?: StoreDir } = {},
  ) {
    this.storeDir = options.storeDir ?? defaultStoreDir;
  }

  async queryPathInfo(path: StorePath): Promise<PathInfo | undefined> {
    return this.#valid.get(path);
  }

  async queryValidPaths(paths: Iterable<StorePath>): Promise<ReadonlySet<StorePath>> {
    return new Set([...paths].filter((path) => this.#valid.has(path)));
  }

  async queryClosure(starts: Iterable<StorePath>): Promise<readonly StorePath[]> {
    const seen = new Set(starts);
    for (const path of seen) for (const reference of this.#require(path).references) seen.add(reference);
    return [...seen].sort(compareText);
  }

  async readDerivation(drvPath: StorePath): Promise<Derivation> {
    this.#require(drvPath);
    return this.readDerivationSync(drvPath);
  }

  /** The derivation whose file is there, valid or not. */
  readDerivationSync(drvPath: StorePath): Derivation {
    const file = this.trees.get(this.realPathOf(drvPath));
    if (file?.type !== "regular") throw notValid(drvPath);
    const name = derivationNameOf(drvPath);
    return parseDerivation(file.content, { name, storeDir: this.storeDir, dynamic: true });
  }

  async queryDerivationOutputs(drvPath: StorePath): Promise<ReadonlyMap<OutputName, StorePath>> {
    const known = new Map<OutputName, StorePath>();
    for (const [name, path] of outputPathsOf(await this.readDerivation(drvPath)))
      if (path !== undefined) known.set(name, path);
    return known;
  }

  async queryOutputHashes(drvPath: StorePath): Promise<ReadonlyMap<OutputName, Hash>> {
    const read = (path: StorePath) => this.readDerivationSync(path);
    return computeHashModulo(await this.readDerivation(drvPath), true, read, this.#hashes).hashes;
  }

  async queryRealisation(id: DrvOutput): Promise<Realisation | undefined> {
    return this.#realisations.get(printDrvOutput(id));
  }

  async registerRealisation(realisation: Realisation): Promise<void> {
    this.#require(realisation.outPath);
    const id = printDrvOutput(realisation.id);
    const known = this.#realisations.get(id);
    const next = known === undefined ? realisation : mergeRealisations(known, realisation);
    for (const [dependency, path] of next.dependentRealisations)
      if (dependency !== id && this.#realisations.get(dependency)?.outPath !== path)
        throw new EngineError(
          "ERR_STORE_REALISATION",
          `unable to register the derivation '${id}' as it depends on the non existent '${dependency}'`,
        );
    this.#realisations.set(id, next);
  }

  async protectKnownOutputs(drvPaths: Iterable<StorePath>): Promise<ReadonlyMap<StorePath, KnownOutputs>> {
    const known = new Map<StorePath, KnownOutputs>();
    for (const drvPath of drvPaths) {
      this.tempRoots.add(drvPath);
      if (!this.#valid.has(drvPath)) continue;
      const paths = await this.queryDerivationOutputs(drvPath);
      await this.addTempRoots(paths.values());
      known.set(drvPath, {
        paths,
        valid: new Set([...paths.values()].filter((path) => this.#valid.has(path))),
      });
    }
    return known;
  }

  async queryDerivationOutlines(
    drvPaths: Iterable<StorePath>,
  ): Promise<ReadonlyMap<StorePath, DerivationOutline>> {
    const valid = [...drvPaths].filter((path) => this.#valid.has(path));
    return new Map(valid.map((path) => [path, outlineOf(path, this.readDerivationSync(path))]));
  }

  async addTempRoots(paths: Iterable<StorePath>): Promise<void> {
    for (const path of paths) this.tempRoots.add(path);
  }

  async tryLockOutputs(targets: readonly StorePath[]): Promise<OutputLocks | undefined> {
    if (targets.some((path) => this.locked.has(path))) return undefined;
    for (const path of targets) this.locked.add(path);
    let [held, deleting] = [true, false];
    return {
      deleteOnRelease: () => {
        deleting = true;
      },
      [Symbol.asyncDispose]: async () => {
        if (!held) return;
        held = false;
        for (const path of targets) {
          this.locked.delete(path);
          if (deleting) this.deletedLocks.add(path);
        }
      },
    };
  }

  realPathOf(path: StorePath): string {
    return `/memory${path}`;
  }

  async makeTempDir(): Promise<{ readonly path: string } & AsyncDisposable> {
    this.#tempDirs += 1;
    const path = `/memory${this.storeDir}/tmp-${this.#tempDirs}`;
    this.trees.put(path, { type: "directory", entries: {}, mode: 0o700 });
    return { path, [Symbol.asyncDispose]: () => this.trees.remove(path) };
  }

  async addFromArchive(
    info: PathInfo,
    archive: AsyncIterable<Uint8Array>,
    { signal, repair = false }: Parameters<StorePort["addFromArchive"]>[2],
  ): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of archive) {
      signal.throwIfAborted();
      pieces.push(piece);
    }
    const bytes = concatBytes(pieces);
    const tree = treeOf(bytes);
    const narHash = hashBytes("sha256", bytes);
    if (!hashesEqual(narHash, info.narHash) || bytes.length !== info.narSizeBytes)
      throw new EngineError(
        "ERR_STORE_HASH_MISMATCH",
        `hash mismatch importing path '${info.path}';\n  specified: ${printHash(info.narHash, "sri")}\n  got:       ${printHash(narHash, "sri")}`,
      );
    if (this.#valid.has(info.path) && !repair) return;
    this.trees.put(this.realPathOf(info.path), tree);
    await this.registerValidPaths([info]);
  }

  async *archive({ path }: PathInfo): AsyncGenerator<Uint8Array, void, undefined> {
    const tree = this.trees.get(this.realPathOf(path));
    if (tree === undefined) throw notValid(path);
    yield archiveOf(tree);
  }

  async registerValidPaths(infos: readonly PathInfo[]): Promise<void> {
    const added = new Map(infos.map((info) => [info.path, info]));
    for (const info of infos)
      for (const reference of info.references)
        if (!added.has(reference) && !this.#valid.has(reference)) throw notValid(reference);
    requireNoCycle(added);
    for (const info of infos) {
      if (isDerivationPath(info.path)) this.readDerivationSync(info.path);
      const before = this.#valid.get(info.path);
      this.#valid.set(
        info.path,
        before === undefined
          ? info
          : {
              ...info,
              registrationTimeSeconds: before.registrationTimeSeconds,
              ...(before.deriver === undefined ? {} : { deriver: before.deriver }),
            },
      );
    }
    this.registrations.push([...added.keys()]);
  }

  /** Forgets a path, as a collection of garbage would; its files stay. */
  forget(path: StorePath): void {
    this.#valid.delete(path);
  }

  /** Adds a text object. */
  addText(name: string, text: string, references: Iterable<StorePath> = []): StorePath {
    const content = new TextEncoder().encode(text);
    const refs = [...references];
    const path = computeTextPath(this.storeDir, name, content, refs);
    this.#add(path, content, refs);
    return path;
  }

  async addDerivation(drv: Derivation): Promise<StorePath> {
    return this.addDerivationSync(drv);
  }

  /** Adds a derivation at once; returns its path. */
  addDerivationSync(drv: Derivation): StorePath {
    const path = computeDerivationPath(this.storeDir, drv);
    this.#add(path, printDerivation(drv), [...drv.inputDrvs.keys(), ...drv.inputSrcs]);
    return path;
  }

  #add(path: StorePath, content: Uint8Array, references: readonly StorePath[]): void {
    const tree = { type: "regular", content } as const;
    this.trees.put(this.realPathOf(path), tree);
    const info = pathInfoOf(path, archiveOf(tree), {
      references: new Set(references),
      registrationTimeSeconds: 1,
      ca: { method: "text", hash: hashBytes("sha256", content) },
    });
    this.#valid.set(path, info);
  }

  #require(path: StorePath): PathInfo {
    const info = this.#valid.get(path);
    if (info === undefined) throw notValid(path);
    return info;
  }
}

function notValid(path: StorePath): EngineError {
  return new EngineError("ERR_STORE_NOT_VALID", `path '${path}' is not valid`);
}

/** References to itself are none; what is valid already refers to nothing new. */
function requireNoCycle(added: ReadonlyMap<StorePath, PathInfo>): void {
  const state = new Map<StorePath, "open" | "done">();
  for (const start of added.keys()) {
    const stack = [{ path: start, leaving: false }];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      if (top.leaving) state.set(top.path, "done");
      if (state.has(top.path)) continue;
      state.set(top.path, "open");
      stack.push({ path: top.path, leaving: true });
      for (const path of added.get(top.path)?.references ?? []) {
        if (path === top.path || !added.has(path)) continue;
        if (state.get(path) === "open")
          throw new EngineError(
            "ERR_STORE_CYCLE",
            `cycle detected in the references of '${path}' from '${top.path}'`,
          );
        stack.push({ path, leaving: false });
      }
    }
  }
}
