import { GoalError } from "../error.js";
import type { BuildFailure } from "./build-result.js";

/** Whether the run ended before the goal, by a signal or because another one failed. */
export function isCancelled({ errorCode }: BuildFailure): boolean {
  return errorCode === "ERR_BUILD_CANCELLED";
}

/** @throws {@link GoalError} `ERR_BUILD_CANCELLED`. */
export function refuseCancelled(result: BuildFailure): void {
  if (isCancelled(result)) throw new GoalError("ERR_BUILD_CANCELLED", result.errorMessage);
}
