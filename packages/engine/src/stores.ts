import type { Derivation, StorePath } from "@drvkit/drv-parser";
import type { LmdbStore } from "@drvkit/store-lmdb";

/** The stores of an engine; both are one unless an evaluation store was named. */
export interface Stores {
  readonly store: LmdbStore;
  readonly evalStore: LmdbStore;
}

/** Those of the derivations that one of the stores has. */
export async function queryValidDerivations(
  { store, evalStore }: Stores,
  drvPaths: readonly StorePath[],
): Promise<ReadonlySet<StorePath>> {
  const valid = await store.queryValidPaths(drvPaths);
  if (evalStore === store || valid.size === drvPaths.length) return valid;
  return new Set([...valid, ...(await evalStore.queryValidPaths(drvPaths))]);
}

/**
 * A derivation that one of the stores has.
 *
 * @throws `ERR_STORE_NOT_VALID`, `ERR_DRV_SYNTAX`
 */
export async function readDerivation({ store, evalStore }: Stores, drvPath: StorePath): Promise<Derivation> {
  const isThere = evalStore !== store && (await evalStore.queryValidPaths([drvPath])).has(drvPath);
  return (isThere ? evalStore : store).readDerivation(drvPath);
}
