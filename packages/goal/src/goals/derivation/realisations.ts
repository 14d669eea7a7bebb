import {
  computeHashModulo,
  type Derivation,
  type Hash,
  isDerivationPath,
  type OutputName,
  outputPathsOf,
  type StorePath,
} from "@drvkit/drv-parser";
import { type DrvOutput, parseDrvOutput, printDrvOutput, type Realisation } from "@drvkit/narinfo";
import { GoalError } from "../../error.js";
import type { StorePort } from "../../ports/store.js";
import type { GoalContext } from "../../worker/context.js";
import type { OutputPaths } from "./wanted.js";

/** Whether outputs are known by realisations at all. */
export function usesRealisations({ settings }: Pick<GoalContext, "settings">): boolean {
  return settings.experimentalFeatures.has("ca-derivations");
}

/** {@link outputIds} of the derivation of this goal. One that was handed over has no inputs to ask for. */
export async function ownOutputIds(
  drv: Derivation,
  { drvPath, isInMemory, derivationStore }: Pick<GoalContext, "drvPath" | "isInMemory" | "derivationStore">,
): Promise<ReadonlyMap<OutputName, DrvOutput>> {
  if (!isInMemory) return outputIds(drvPath, derivationStore);
  const { hashes } = computeHashModulo(drv, true, () => {
    throw new GoalError("ERR_BUG", "bug: a derivation that was handed over has inputs");
  });
  return idsOf(hashes);
}

/** What the realisations of a valid derivation are named by, by output. */
export async function outputIds(
  drvPath: StorePath,
  store: Pick<StorePort, "queryOutputHashes">,
): Promise<ReadonlyMap<OutputName, DrvOutput>> {
  return idsOf(await store.queryOutputHashes(drvPath));
}

function idsOf(hashes: ReadonlyMap<OutputName, Hash>): ReadonlyMap<OutputName, DrvOutput> {
  return new Map([...hashes].map(([outputName, hash]) => [outputName, { type: "hash", hash, outputName }]));
}

/** A realisation of our own. */
export function makeRealisation(
  id: DrvOutput,
  outPath: StorePath,
  dependentRealisations: ReadonlyMap<string, StorePath> = new Map(),
): Realisation {
  return { id, outPath, signatures: [], dependentRealisations };
}

/**
 * Paths of outputs, by realisations where there are some; valid outputs without one get one.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `checkPathValidity`
 */
export async function pathsByRealisations(drv: Derivation, cx: GoalContext): Promise<OutputPaths> {
  const { store } = cx.ports;
  const ids = await ownOutputIds(drv, cx);
  const paths = new Map<OutputName, StorePath | undefined>();
  for (const [name, stated] of outputPathsOf(drv)) {
    const id = ids.get(name) as DrvOutput;
    const known = await store.queryRealisation(id);
    paths.set(name, known?.outPath ?? stated);
    if (known === undefined && stated !== undefined && (await store.queryValidPaths([stated])).has(stated))
      await store.registerRealisation(makeRealisation(id, stated));
  }
  return paths;
}

/**
 * The realisations of inputs that an output refers to.
 *
 * @throws {@link GoalError} `ERR_GOAL_UNKNOWN_OUTPUT` for an input output that has none.
 * @see Nix: src/libstore/realisation.cc, `drvOutputReferences`
 */
export async function dependentRealisations(
  drv: Derivation,
  outPath: StorePath,
  { derivationStore, ports: { store } }: Pick<GoalContext, "derivationStore" | "ports">,
): Promise<ReadonlyMap<string, StorePath>> {
  const open: Realisation[] = [];
  for (const [input, names] of drv.inputDrvs) {
    const ids = await outputIds(input, derivationStore);
    for (const name of names) {
      const id = ids.get(name);
      const realisation = id && (await store.queryRealisation(id));
      if (realisation === undefined)
        throw new GoalError(
          "ERR_GOAL_UNKNOWN_OUTPUT",
          `output '${name}' of derivation '${input}' isn't built`,
        );
      open.push(realisation);
    }
  }
  const references = (await store.queryPathInfo(outPath))?.references ?? new Set();
  const seen = new Map<string, StorePath>();
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    if (seen.has(printDrvOutput(each.id))) continue;
    seen.set(printDrvOutput(each.id), each.outPath);
    for (const id of each.dependentRealisations.keys()) {
      const found = seen.has(id)
        ? undefined
        : await store.queryRealisation(parseDrvOutput(id, store.storeDir));
      if (found !== undefined) open.push(found);
    }
  }
  return new Map([...seen].filter(([, path]) => references.has(path)));
}

/** Every output whose derivation is in the closure of ours, and that derivation. */
export async function makersBelow(cx: GoalContext): Promise<ReadonlyMap<StorePath, StorePath>> {
  const { derivationStore } = cx;
  const makers = new Map<StorePath, StorePath>();
  if (cx.isInMemory) return makers;
  for (const drvPath of await derivationStore.queryClosure([cx.drvPath])) {
    if (!isDerivationPath(drvPath)) continue;
    for (const path of (await derivationStore.queryDerivationOutputs(drvPath)).values())
      makers.set(path, drvPath);
    if (!usesRealisations(cx)) continue;
    for (const id of (await outputIds(drvPath, derivationStore)).values()) {
      const path = (await cx.ports.store.queryRealisation(id))?.outPath;
      if (path !== undefined) makers.set(path, drvPath);
    }
  }
  return makers;
}
