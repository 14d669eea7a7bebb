import type { StorePath } from "@drvkit/drv-parser";
import type { GoalContext } from "../worker/context.js";
import type { FinishedOutput } from "./finish.js";

/**
 * Trees first, then one registration of all: a crash between leaves paths that are not valid, or, in repair mode, ones that
 * are not what is registered and are repaired again.
 */
export async function moveAndRegister(finished: readonly FinishedOutput[], cx: GoalContext): Promise<void> {
  const { store, trees } = cx.ports;
  const kept =
    cx.mode === "repair" ? none : await store.queryValidPaths(finished.map(({ info }) => info.path));
  const fresh = finished.filter(({ info }) => !kept.has(info.path));
  for (const { location, info } of fresh) {
    await trees.replace(location, store.realPathOf(info.path));
    cx.contents.markGood(info.path);
  }
  await store.registerValidPaths(fresh.map(({ info }) => info));
  cx.emit({
    type: "registered",
    goal: cx.key,
    outputs: finished.map(({ name, info }) => ({ name, path: info.path, narSizeBytes: info.narSizeBytes })),
  });
}

const none: ReadonlySet<StorePath> = new Set();

/**
 * What a fixed output really is becomes valid under its own path, so that correcting the hash builds nothing again. A
 * build that owns that path is not waited for: it may wait for ours.
 */
export async function registerMismatched(
  finished: readonly FinishedOutput[],
  cx: GoalContext,
): Promise<void> {
  await using locks = await cx.ports.store.tryLockOutputs(finished.map(({ info }) => info.path));
  if (locks === undefined) return;
  await moveAndRegister(finished, cx);
  locks.deleteOnRelease();
}
