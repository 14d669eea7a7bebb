import type { Derivation, DerivationOutline, Hash, OutputName, StorePath } from "@drvkit/drv-parser";
import type { EvalStorePort } from "../ports/eval-store.js";
import type { KnownOutputs, StorePort } from "../ports/store.js";

/** What is asked of derivations without working for them. */
export type DerivationReads = Pick<
  StorePort,
  "queryValidPaths" | "readDerivation" | "queryOutputHashes" | "queryDerivationOutlines"
>;

/** Where goals find derivations. A store is one. */
export type DerivationStore = DerivationReads &
  Pick<StorePort, "queryClosure" | "queryDerivationOutputs" | "protectKnownOutputs">;

/** The store, or both where there is an evaluation store. */
export function derivationStoreOf(ports: {
  readonly store: StorePort;
  readonly evalStore?: EvalStorePort;
}): DerivationStore {
  const { store, evalStore } = ports;
  return evalStore === undefined ? store : new EvalStoreFirst(evalStore, store);
}

/** {@link derivationStoreOf} for those who only read. */
export function derivationReadsOf({
  store,
  evalStore,
}: {
  readonly store: DerivationReads;
  readonly evalStore?: DerivationReads;
}): DerivationReads {
  return evalStore === undefined ? store : new ReadsEvalStoreFirst(evalStore, store);
}

/**
 * A derivation is that of the evaluation store, or that of the store when it was substituted or resolved there. Which of
 * them has it is asked each time; where it is valid all that it refers to is.
 *
 * @see Nix: 9f39dda66c, src/libstore/build/derivation-trampoline-goal.cc, `DerivationTrampolineGoal::init`
 */
class ReadsEvalStoreFirst<Reads extends DerivationReads, Store extends DerivationReads>
  implements DerivationReads
{
  constructor(
    protected readonly evalStore: Reads,
    protected readonly store: Store,
  ) {}

  async queryValidPaths(paths: Iterable<StorePath>): Promise<ReadonlySet<StorePath>> {
    const all = [...paths];
    const valid = await this.evalStore.queryValidPaths(all);
    return new Set([...valid, ...(await this.store.queryValidPaths(all.filter((path) => !valid.has(path))))]);
  }

  async readDerivation(drvPath: StorePath): Promise<Derivation> {
    return (await this.having([drvPath])).readDerivation(drvPath);
  }

  async queryOutputHashes(drvPath: StorePath): Promise<ReadonlyMap<OutputName, Hash>> {
    return (await this.having([drvPath])).queryOutputHashes(drvPath);
  }

  async queryDerivationOutlines(
    drvPaths: Iterable<StorePath>,
  ): Promise<ReadonlyMap<StorePath, DerivationOutline>> {
    const all = [...drvPaths];
    const outlines = await this.evalStore.queryDerivationOutlines(all);
    const others = all.filter((drvPath) => !outlines.has(drvPath));
    if (others.length === 0) return outlines;
    return new Map([...outlines, ...(await this.store.queryDerivationOutlines(others))]);
  }

  protected async having(paths: readonly StorePath[]): Promise<Reads | Store> {
    const valid = await this.evalStore.queryValidPaths(paths);
    return paths.every((path) => valid.has(path)) ? this.evalStore : this.store;
  }
}

/** Derivations of both; what they make is always that of the store. */
class EvalStoreFirst extends ReadsEvalStoreFirst<EvalStorePort, StorePort> implements DerivationStore {
  async queryClosure(starts: Iterable<StorePath>): Promise<readonly StorePath[]> {
    const all = [...starts];
    return (await this.having(all)).queryClosure(all);
  }

  async queryDerivationOutputs(drvPath: StorePath): Promise<ReadonlyMap<OutputName, StorePath>> {
    return (await this.having([drvPath])).queryDerivationOutputs(drvPath);
  }

  /** Row L2. */
  async protectKnownOutputs(drvPaths: Iterable<StorePath>): Promise<ReadonlyMap<StorePath, KnownOutputs>> {
    const all = [...drvPaths];
    await this.evalStore.addTempRoots(all);
    const there = await this.evalStore.queryValidPaths(all);
    const known = new Map(await this.store.protectKnownOutputs(all.filter((path) => !there.has(path))));
    for (const drvPath of there) {
      const paths = await this.evalStore.queryDerivationOutputs(drvPath);
      await this.store.addTempRoots(paths.values());
      known.set(drvPath, { paths, valid: await this.store.queryValidPaths(paths.values()) });
    }
    return known;
  }
}
