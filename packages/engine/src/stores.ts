import type { Derivation, StorePath } from "@drvkit/drv-parser";
import { type DerivationReads, derivationReadsOf } from "@drvkit/goal";
import type { LmdbStore } from "@drvkit/store-lmdb";

/** The stores of an engine; both are one unless an evaluation store was named. */
export interface Stores {
  readonly store: LmdbStore;
  readonly evalStore: LmdbStore;
}

/** The derivations of both. */
export function derivationsOf({ store, evalStore }: Stores): DerivationReads {
  return derivationReadsOf(evalStore === store ? { store } : { store, evalStore });
}

/**
 * A derivation that one of the stores has.
 *
 * @throws `ERR_STORE_NOT_VALID`, `ERR_DRV_SYNTAX`
 */
export async function readDerivation(stores: Stores, drvPath: StorePath): Promise<Derivation> {
  return derivationsOf(stores).readDerivation(drvPath);
}
