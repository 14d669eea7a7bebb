import { type Derivation, derivationType, isPure, outputPathsOf, type StorePath } from "@drvkit/drv-parser";
import type { KnownOutputs } from "../../ports/store.js";
import type { GoalContext } from "../../worker/context.js";
import { pathsByRealisations, usesRealisations } from "./realisations.js";
import { areWantedKnown, knownPaths, type OutputPaths, wantedOutputs } from "./wanted.js";

/** The outputs as they are now: where, as far as that is known, and whether the wanted ones are valid. */
export interface OutputsNow {
  readonly paths: OutputPaths;
  readonly allValid: boolean;
}

/** What is known of the outputs; known paths are protected from collection first. Rows H2, H3, S5, T2. */
export async function queryOutputs(drv: Derivation, cx: GoalContext): Promise<OutputsNow> {
  if (!isPure(derivationType(drv))) return { paths: outputPathsOf(drv), allValid: false };
  const paths = usesRealisations(cx) ? await pathsByRealisations(drv, cx) : outputPathsOf(drv);
  await cx.ports.store.addTempRoots(knownPaths(paths));
  return { paths, allValid: await areWantedValid(cx, paths) };
}

/** Whether all outputs that are wanted now are known and valid. */
async function areWantedValid(cx: GoalContext, outputs: OutputPaths): Promise<boolean> {
  if (!areWantedKnown(cx, outputs)) return false;
  const wanted = [...wantedOutputs(cx, outputs).values()];
  const valid = await queryValid(cx, wanted);
  return wanted.every((path) => valid.has(path));
}

/** The outputs as the store has just said of them; in repair mode valid means that they still are what was registered. */
export async function outputsOf(cx: GoalContext, known: KnownOutputs): Promise<OutputsNow> {
  if (cx.mode !== "repair") return statedNow(cx, known);
  return { paths: known.paths, allValid: await areWantedValid(cx, known.paths) };
}

/** The outputs as the store has just said of them. */
export function statedNow(wanting: Pick<GoalContext, "wanted">, { paths, valid }: KnownOutputs): OutputsNow {
  const wanted = [...wantedOutputs(wanting, paths).values()];
  return { paths, allValid: areWantedKnown(wanting, paths) && wanted.every((path) => valid.has(path)) };
}

/** The valid ones among these; in repair mode only those that still are what was registered. */
export async function queryValid(
  cx: GoalContext,
  paths: Iterable<StorePath>,
): Promise<ReadonlySet<StorePath>> {
  const valid = await cx.ports.store.queryValidPaths(paths);
  if (cx.mode !== "repair") return valid;
  const good = new Set<StorePath>();
  for (const path of valid) if (await cx.away(cx.contents.isGood(path, cx.signal))) good.add(path);
  return good;
}

/** Removes what lies at known paths without being valid; one that is repaired is replaced at the end. Row T4. */
export async function removeInvalid(outputs: OutputPaths, cx: GoalContext): Promise<void> {
  const { store, trees } = cx.ports;
  const known = knownPaths(outputs);
  const registered = await store.queryValidPaths(known);
  for (const path of known) if (!registered.has(path)) await trees.remove(store.realPathOf(path));
}
