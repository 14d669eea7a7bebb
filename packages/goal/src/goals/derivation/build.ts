import { derivationOptions, outputPathsOf, type StorePath } from "@drvkit/drv-parser";
import { GoalError } from "../../error.js";
import { attributeWarnings } from "../../plan/attribute-warnings.js";
import { requireBuildable } from "../../plan/where-to-build.js";
import type { OutputLocks } from "../../ports/store.js";
import type { GoalContext } from "../../worker/context.js";
import type { Slot } from "../../worker/slots.js";
import { buildLocked } from "./build-locked.js";
import { fail, succeed } from "./result.js";
import { lockTargets, scratchPaths } from "./scratch.js";
import type { At, Next } from "./stages.js";
import { queryOutputs, queryValid } from "./validity.js";
import { knownPaths, refuseUnknownNames } from "./wanted.js";

/** Builds, unless another process did it first. Rows T1–Y6, D1. */
export async function build(stage: At<"build">, cx: GoalContext): Next<"build"> {
  try {
    return await lockAndBuild(stage, cx);
  } catch (error) {
    if (!(error instanceof GoalError) || error.code !== "ERR_BUILD_REJECTED") throw error;
    const { code, message, hint } = error;
    return fail(cx, "rejected", { status: "inputRejected", message, code, hint });
  }
}

async function lockAndBuild({ inputs }: At<"build">, cx: GoalContext): Promise<At<"done">> {
  const drv = await cx.derivation();
  const { storeDir } = cx.ports.store;
  requireBuildable(cx.drvPath, drv, derivationOptions(cx.drvPath, drv), cx.settings);
  await using right = await rightToBuild(cx, lockTargets(storeDir, cx.drvPath, outputPathsOf(drv)));
  const { slot, locks } = right;

  refuseUnknownNames(cx, drv);
  const { paths, allValid } = await queryOutputs(drv, cx);
  if (allValid && cx.mode !== "check") {
    locks.deleteOnRelease();
    return succeed(cx, paths, { status: "alreadyValid", because: "built-by-another" });
  }
  for (const text of attributeWarnings(derivationOptions(cx.drvPath, drv)))
    cx.emit({ type: "message", goal: cx.key, level: "warn", text });
  const valid = await queryValid(cx, knownPaths(paths));
  const scratch = scratchPaths(storeDir, { drvPath: cx.drvPath, drv }, paths);
  return await buildLocked({ drv, inputs, known: paths, scratch, valid, slot, locks }, cx); // the right is held to the end
}

/** A slot and the output locks, both or none: neither is held while waiting for the other. */
interface RightToBuild extends AsyncDisposable {
  readonly locks: OutputLocks;
  /** Given back as soon as the builder has ended: what follows needs no slot. */
  readonly slot: Slot;
}

async function rightToBuild(cx: GoalContext, outputs: readonly StorePath[]): Promise<RightToBuild> {
  for (let announced = false; ; announced = true) {
    const slot = await cx.slot();
    const locks = await tryLock(cx, outputs, slot);
    if (locks !== undefined) {
      return {
        locks,
        slot,
        async [Symbol.asyncDispose]() {
          slot[Symbol.dispose]();
          await locks[Symbol.asyncDispose]();
        },
      };
    }
    slot[Symbol.dispose]();
    if (!announced) cx.emit({ type: "waiting-for-lock", goal: cx.key, drvPath: cx.drvPath, outputs });
    await cx.sleep(cx.settings.pollIntervalMs);
  }
}

async function tryLock(
  cx: GoalContext,
  outputs: readonly StorePath[],
  slot: Slot,
): Promise<OutputLocks | undefined> {
  try {
    return await cx.ports.store.tryLockOutputs(outputs);
  } catch (error) {
    slot[Symbol.dispose]();
    throw error;
  }
}
