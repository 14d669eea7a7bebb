import { archives } from "./contract/archives.js";
import { closures } from "./contract/closures.js";
import { derivations } from "./contract/derivations.js";
import { locking } from "./contract/locking.js";
import { realisations } from "./contract/realisations.js";
import type { StoreUnderTest } from "./contract/support.js";
import { validity } from "./contract/validity.js";

export type { StoreUnderTest } from "./contract/support.js";

/** One sentence that holds of every store, and the proof. */
export interface ContractCase {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/**
 * What goals rely on of a store, as cases for any test runner:
 * `for (const { name, run } of storeContract(make)) test(name, run)`.
 */
export function storeContract(make: () => Promise<StoreUnderTest>): readonly ContractCase[] {
  const of = (name: string, prove: (under: StoreUnderTest) => Promise<void>): ContractCase => ({
    name,
    run: async () => {
      await using under = await make();
      await prove(under);
    },
  });
  return [...validity, ...closures, ...derivations, ...realisations, ...archives, ...locking].map(
    ([name, prove]) => of(name, prove),
  );
}
