import type { StorePath } from "@drvkit/drv-parser";
import { GoalError } from "./error.js";
import { refuseCancelled } from "./result/cancelled.js";
import { isSuccess } from "./result/exit-status.js";
import { type RunOptions, runGoals } from "./run-goals.js";

/**
 * Makes one path valid: nothing to do, or a substituter has it.
 *
 * @throws {@link GoalError} `ERR_GOAL_PATH` when nobody has it, with what was tried as hint; `ERR_BUILD_CANCELLED` when the
 *   signal ended it.
 * @see Nix: src/libstore/build/entry-points.cc, `ensurePath`
 */
export async function ensurePath(path: StorePath, options: RunOptions): Promise<void> {
  if ((await options.ports.store.queryValidPaths([path])).has(path)) return;
  const { results } = await runGoals([{ path }], options);
  const [result] = results;
  if (result === undefined || isSuccess(result)) return;
  refuseCancelled(result);
  const { errorMessage, hint = errorMessage } = result;
  throw new GoalError("ERR_GOAL_PATH", `path '${path}' does not exist and cannot be created`, { hint });
}
