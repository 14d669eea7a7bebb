import {
  type Derivation,
  derivationType,
  isPure,
  type OutputName,
  outputPathsOf,
  type StorePath,
} from "@drvkit/drv-parser";
import { makeRealisation, ownOutputIds, usesRealisations } from "../goals/derivation/realisations.js";
import type { OutputLocks } from "../ports/store.js";
import type { GoalContext } from "../worker/context.js";
import type { FinishedOutput } from "./finish.js";
import { signOutput, signOwnRealisation } from "./sign.js";

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
  await store.registerValidPaths(await Promise.all(fresh.map(({ info }) => signOutput(info, cx.settings))));
  cx.emit({
    type: "registered",
    goal: cx.key,
    outputs: finished.map(({ name, info }) => ({ name, path: info.path, narSizeBytes: info.narSizeBytes })),
  });
}

/** Paths that the derivation does not state are not locked yet: others may be about to make the same. */
export async function lockFoundPaths(
  finished: readonly FinishedOutput[],
  drv: Derivation,
  cx: GoalContext,
): Promise<OutputLocks | undefined> {
  const stated = new Set(outputPathsOf(drv).values());
  const outputs = finished.map(({ info }) => info.path).filter((path) => !stated.has(path));
  if (outputs.length === 0) return undefined;
  for (let announced = false; ; announced = true) {
    const locks = await cx.ports.store.tryLockOutputs([...new Set(outputs)]);
    locks?.deleteOnRelease();
    if (locks !== undefined) return locks;
    if (!announced) cx.emit({ type: "waiting-for-lock", goal: cx.key, drvPath: cx.drvPath, outputs });
    await cx.sleep(cx.settings.pollIntervalMs);
  }
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

/** With content-addressed derivations on, each output of a build that is to be the same again is known by its derivation. */
export async function registerRealisations(
  made: ReadonlyMap<OutputName, StorePath>,
  drv: Derivation,
  cx: GoalContext,
): Promise<void> {
  if (!usesRealisations(cx) || !isPure(derivationType(drv))) return;
  const { store } = cx.ports;
  for (const [name, id] of await ownOutputIds(drv, cx)) {
    const path = made.get(name);
    if (path === undefined) continue;
    await store.registerRealisation(await signOwnRealisation(makeRealisation(id, path), cx.settings));
  }
}
