import { type Derivation, derivationOptions, outputPathsOf, type StorePath } from "@drvkit/drv-parser";
import { GoalError } from "../../error.js";
import { attributeWarnings } from "../../plan/attribute-warnings.js";
import { type Demands, isForHook, requireBuildable, requiredFeatures } from "../../plan/where-to-build.js";
import type { HookReply } from "../../ports/build-hook.js";
import type { GoalContext } from "../../worker/context.js";
import { buildLocked } from "./build-locked.js";
import { Held } from "./held.js";
import { followHook } from "./hook-messages.js";
import { fail, succeed } from "./result.js";
import { lockTargets } from "./scratch.js";
import type { At, Next } from "./stages.js";
import { queryOutputs, queryValid } from "./validity.js";
import { knownPaths, refuseUnknownNames } from "./wanted.js";

/** Builds here or elsewhere, unless another process did it first. Rows T1–Y6, D1. */
export async function build(stage: At<"build">, cx: GoalContext): Next<"build"> {
  try {
    return await lockAndBuild(stage, cx);
  } catch (error) {
    if (!(error instanceof GoalError) || error.code !== "ERR_BUILD_REJECTED") throw error;
    const { code, message, hint } = error;
    return fail(cx, "rejected", { status: "inputRejected", message, code, hint });
  }
}

/** What is to be built. */
interface Wanted extends Demands {
  readonly drv: Derivation;
  readonly inputs: readonly StorePath[];
  /** What is locked. */
  readonly targets: readonly StorePath[];
  /** A hook is asked first, if there is one. */
  readonly isForHook: boolean;
}

/** Why it could not begin. */
type Obstacle = "waiting-for-lock" | "waiting-for-machine" | "no-slot";

async function lockAndBuild({ inputs }: At<"build">, cx: GoalContext): Promise<At<"done">> {
  const { drvPath } = cx;
  const drv = await cx.derivation();
  const demands = { drvPath, drv, options: derivationOptions(drvPath, drv) };
  const targets = lockTargets(cx.ports.store.storeDir, drvPath, outputPathsOf(drv));
  const asks = !cx.isInMemory && isForHook(demands, cx.settings, cx.mode);
  const wanted: Wanted = { ...demands, inputs, targets, isForHook: asks };
  const said = new Set<Obstacle>();
  await using held = new Held();
  for (;;) {
    const tried = await tryToBuild(wanted, held, cx);
    if (typeof tried !== "string") return tried;
    await held.release();
    if (tried === "no-slot") {
      held.slot = await cx.slot();
      continue;
    }
    if (!said.has(tried)) announce(tried, wanted, cx);
    said.add(tried);
    await cx.sleep(cx.settings.pollIntervalMs);
  }
}

function announce(obstacle: Exclude<Obstacle, "no-slot">, { targets }: Wanted, cx: GoalContext): void {
  const { key: goal, drvPath } = cx;
  if (obstacle === "waiting-for-lock") cx.emit({ type: obstacle, goal, drvPath, outputs: targets });
  else cx.emit({ type: obstacle, goal, drvPath });
}

/** One try, with a slot where one is held. Rows T1–T7. */
async function tryToBuild(wanted: Wanted, held: Held, cx: GoalContext): Promise<At<"done"> | Obstacle> {
  const { drv, options, inputs, targets } = wanted;
  const { store } = cx.ports;
  const asks = wanted.isForHook && !cx.buildHook.isOff;
  if (!asks) {
    requireBuildable(wanted, cx.settings);
    held.slot ??= await cx.slot();
  }
  const locks = await store.tryLockOutputs(targets);
  if (locks === undefined) return "waiting-for-lock";
  held.locks = locks;

  refuseUnknownNames(cx, drv);
  const { paths, allValid } = await queryOutputs(drv, cx);
  if (allValid && cx.mode !== "check") {
    locks.deleteOnRelease();
    return succeed(cx, paths, { status: "alreadyValid", because: "built-by-another" });
  }
  const valid = await queryValid(cx, knownPaths(paths));
  if (asks) {
    const answer = await ask(wanted, held, cx);
    if (answer.reply === "postpone") return "waiting-for-machine";
    if (answer.reply === "accept") {
      held.releaseSlot();
      const { buildElsewhere } = await import("./build-elsewhere.js"); // most builds are here
      const accepted = { accepted: answer, drv, inputs, known: paths, valid, targets, locks };
      return buildElsewhere(accepted, cx).finally(() => answer.abandon?.());
    }
    requireBuildable(wanted, cx.settings);
  }
  held.slot ??= cx.trySlot();
  if (held.slot === undefined) return "no-slot";
  for (const text of attributeWarnings(options))
    cx.emit({ type: "message", goal: cx.key, level: "warn", text });
  return buildLocked({ drv, options, inputs, known: paths, valid, slot: held.slot, locks }, cx);
}

async function ask(wanted: Wanted, held: Held, cx: GoalContext): Promise<HookReply> {
  const question = {
    drvPath: cx.drvPath,
    platform: wanted.drv.platform,
    requiredFeatures: requiredFeatures(wanted),
    /** At the moment it is read: questions wait for each other. */
    get amWilling() {
      return cx.settings.maxJobs > 0 && (held.slot !== undefined || cx.isSlotFree);
    },
  };
  const tell = (message: Parameters<typeof followHook>[0]) => void followHook(message, cx);
  const reply = await cx.away(cx.buildHook.ask(question, { signal: cx.signal, tell }));
  if (cx.signal.aborted && reply.reply === "accept") await reply.abandon?.();
  cx.throwIfAborted();
  return reply;
}
