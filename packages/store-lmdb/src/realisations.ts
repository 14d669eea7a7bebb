import type { StoreDir } from "@drvkit/drv-parser";
import {
  type DrvOutput,
  mergeRealisations,
  parseDrvOutput,
  parseRealisation,
  printDrvOutput,
  printRealisation,
  type Realisation,
} from "@drvkit/narinfo";
import { notValid, StoreError } from "./error.js";
import { Snapshot } from "./query.js";
import { pathKey, type ReadTables, realisationKey, type WriteTables } from "./schema.js";

/** What is registered of an output of a derivation. */
export function queryRealisation(
  tables: ReadTables,
  storeDir: StoreDir,
  id: DrvOutput,
): Realisation | undefined {
  const text = tables.realisations.get(realisationKey(printDrvOutput(id)));
  return text && parseRealisation(Uint8Array.from(text), { storeDir, id });
}

/**
 * Registers the path of an output, or adds signatures to what is known of it.
 *
 * @throws `ERR_STORE_NOT_VALID` for a path that is not valid; `ERR_STORE_REALISATION` for dependents that are not registered so;
 * `ERR_REALISATION_CONFLICT` when another path is.
 * @see Nix: src/libstore/local-store.cc, `LocalStore::registerDrvOutput`
 */
export function putRealisation(tables: WriteTables, storeDir: StoreDir, realisation: Realisation): void {
  const { id, outPath } = realisation;
  if (!new Snapshot(tables, storeDir).isValid(outPath)) throw notValid(outPath);
  const known = queryRealisation(tables, storeDir, id);
  const next = known === undefined ? realisation : mergeRealisations(known, realisation);
  const own = printDrvOutput(id);
  for (const [dependency, path] of next.dependentRealisations) {
    if (dependency === own) continue;
    const found = queryRealisation(tables, storeDir, parseDrvOutput(dependency, storeDir));
    if (found?.outPath !== path) throw missingDependency(own, dependency);
  }
  const key = realisationKey(own);
  tables.realisations.put(key, Buffer.from(printRealisation(next)));
  tables.realisationsByPath.put(pathKey(outPath), key);
  for (const dependency of next.dependentRealisations.keys())
    tables.realisationRefs.put(realisationKey(dependency), key);
}

function missingDependency(id: string, dependency: string): StoreError {
  return new StoreError(
    "ERR_STORE_REALISATION",
    `unable to register the derivation '${id}' as it depends on the non existent '${dependency}'`,
    { hint: "register what it depends on first" },
  );
}
