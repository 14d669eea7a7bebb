import type { StorePath } from "@drvkit/drv-parser";
import type { GoalContext } from "../../worker/context.js";
import { areWantedKnown, type OutputPaths, wantedOutputs } from "./wanted.js";

/** Whether all outputs that are wanted now are known and valid. */
export async function areWantedValid(cx: GoalContext, outputs: OutputPaths): Promise<boolean> {
  if (!areWantedKnown(cx, outputs)) return false;
  const wanted = [...wantedOutputs(cx, outputs).values()];
  const valid = await queryValid(cx, wanted);
  return wanted.every((path) => valid.has(path));
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
