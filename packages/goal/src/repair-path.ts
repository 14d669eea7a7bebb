import { EngineError, type StorePath } from "@drvkit/drv-parser";
import { GoalError } from "./error.js";
import { refuseCancelled } from "./result/cancelled.js";
import { isSuccess } from "./result/exit-status.js";
import { type RunOptions, runGoals } from "./run-goals.js";
import { Contents } from "./worker/contents.js";
import type { Ports } from "./worker/context.js";
import { derivationStoreOf } from "./worker/derivation-store.js";

/**
 * Obtains a valid path anew, or builds it again where its derivation is known; what is there is replaced in one step.
 *
 * @throws EngineError `ERR_STORE_NOT_VALID`; {@link GoalError} `ERR_GOAL_REPAIR` when nobody has it and nothing makes it, or with
 *   the message of the build that failed; `ERR_BUILD_CANCELLED` when the signal ended it.
 * @see Nix: src/libstore/build/entry-points.cc, `repairPath`
 */
export async function repairPath(path: StorePath, options: Omit<RunOptions, "mode">): Promise<void> {
  const { store } = options.ports;
  const mode = "repair";
  const [obtained] = (await runGoals([{ path }], { ...options, mode })).results;
  if (obtained === undefined || isSuccess(obtained)) return;
  refuseCancelled(obtained);

  const info = await store.queryPathInfo(path);
  if (info === undefined) throw new EngineError("ERR_STORE_NOT_VALID", `path '${path}' is not valid`);
  const { deriver } = info;
  if (
    deriver === undefined ||
    !(await derivationStoreOf(options.ports).queryValidPaths([deriver])).has(deriver)
  )
    throw new GoalError("ERR_GOAL_REPAIR", `cannot repair path '${path}'`, {
      hint: `nothing here builds it, and ${obtained.hint ?? obtained.errorMessage}`,
    });
  const [built] = (await runGoals([{ drvPath: deriver, outputs: "all" }], { ...options, mode })).results;
  if (built === undefined || isSuccess(built)) return;
  refuseCancelled(built);
  const { errorMessage, hint = `'${path}' stays as it is` } = built;
  throw new GoalError("ERR_GOAL_REPAIR", errorMessage, { hint });
}

/**
 * Whether the tree of a valid path is there and has the hash that it was registered with.
 *
 * @throws EngineError `ERR_STORE_NOT_VALID`; the reason of the signal.
 */
export function isPathGood(
  path: StorePath,
  { ports, signal }: { readonly ports: Pick<Ports, "store" | "trees">; readonly signal: AbortSignal },
): Promise<boolean> {
  return new Contents(ports, () => undefined).isGood(path, signal);
}
