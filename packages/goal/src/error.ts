import { EngineError } from "@drvkit/drv-parser";

/**
 * Codes of errors that end one goal, or a call that made no sense.
 *
 * - `ERR_GOAL_MISSING_DERIVATION`: the derivation is not valid
 * - `ERR_GOAL_MISSING_SOURCE`: an input source is not valid
 * - `ERR_GOAL_UNKNOWN_OUTPUT`: a wanted output is none of the derivation's
 * - `ERR_GOAL_FEATURE`: an experimental feature is needed
 * - `ERR_GOAL_IMPURE`: a derivation that is not impure depends on one that is
 * - `ERR_GOAL_PATH`: a path is not valid and nobody has it
 * - `ERR_GOAL_COPY`: an input source cannot be copied from the evaluation store
 * - `ERR_GOAL_CYCLE`: a substituter says that something depends on itself by way of others
 * - `ERR_GOAL_CHECK`: there is nothing to compare with
 * - `ERR_GOAL_REPAIR`: what is corrupted could neither be obtained nor built
 * - `ERR_GOAL_ATTRIBUTE`: an attribute asks for something that cannot be done
 * - `ERR_HOOK_PROTOCOL`: a build hook said what it must not, or ended when it must not
 * - `ERR_HOOK_MACHINE`: an entry of a list of machines that cannot be read
 * - `ERR_HOOK_OUTPUTS`: a build hook did not bring back what it said it had built
 * - `ERR_LOG_MESSAGE`: a message of Nix's logger protocol that cannot be read
 * - `ERR_BUILD_FAILED`: a builder or its outputs failed, see the result's status
 * - `ERR_BUILD_REJECTED`: this machine cannot build the derivation, or the derivation asks for what is not there
 * - `ERR_BUILD_CANCELLED`: the run ended before the build, by a signal or because another one failed
 * - `ERR_BUG`: an invariant of ours broke
 */
export type GoalErrorCode =
  | "ERR_GOAL_MISSING_DERIVATION"
  | "ERR_GOAL_MISSING_SOURCE"
  | "ERR_GOAL_UNKNOWN_OUTPUT"
  | "ERR_GOAL_FEATURE"
  | "ERR_GOAL_IMPURE"
  | "ERR_GOAL_PATH"
  | "ERR_GOAL_COPY"
  | "ERR_GOAL_CYCLE"
  | "ERR_GOAL_CHECK"
  | "ERR_GOAL_REPAIR"
  | "ERR_GOAL_ATTRIBUTE"
  | "ERR_HOOK_PROTOCOL"
  | "ERR_HOOK_MACHINE"
  | "ERR_HOOK_OUTPUTS"
  | "ERR_LOG_MESSAGE"
  | "ERR_BUILD_FAILED"
  | "ERR_BUILD_REJECTED"
  | "ERR_BUILD_CANCELLED"
  | "ERR_BUG";

/** An error that becomes the failure of one goal. */
export class GoalError extends EngineError {
  constructor(
    override readonly code: GoalErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(code, message, options);
    this.name = "GoalError";
  }
}

/** What was thrown, in words. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What was thrown, with its code and hint where it has them. */
export function describeError(error: unknown): {
  readonly message: string;
  readonly code: string | undefined;
  readonly hint: string | undefined;
} {
  const { code, hint } = Object(error) as { readonly code?: unknown; readonly hint?: unknown };
  return {
    message: reasonOf(error),
    code: typeof code === "string" ? code : undefined,
    hint: typeof hint === "string" ? hint : undefined,
  };
}

/** A promise of ours that must hold. */
export function invariant(holds: boolean, what: string): asserts holds {
  if (!holds) throw new GoalError("ERR_BUG", `bug: ${what}`);
}
