import type { BuildResult } from "./build-result.js";

/** What happened anywhere in a run, as far as the exit status tells. */
export interface RunFlags {
  permanentFailure: boolean;
  timedOut: boolean;
  hashMismatch: boolean;
  checkMismatch: boolean;
}

export function noFlags(): RunFlags {
  return { permanentFailure: false, timedOut: false, hashMismatch: false, checkMismatch: false };
}

/** Notes what the end of one goal means for the run. */
export function flag(flags: RunFlags, status: BuildResult["status"]): void {
  if (status === "permanentFailure" || status === "inputRejected") flags.permanentFailure = true;
  if (status === "timedOut") flags.timedOut = true;
  if (status === "hashMismatch") flags.hashMismatch = true;
  if (status === "notDeterministic") flags.checkMismatch = true;
}

/** Exit status of a run that failed: 1, or bits on 0x60. @see Nix: src/libstore/build/worker.cc, `Worker::exitStatus` */
export function failureStatus(flags: RunFlags): number {
  let bits = 0;
  if (flags.permanentFailure || flags.timedOut || flags.hashMismatch) bits |= 4;
  if (flags.timedOut) bits |= 1;
  if (flags.hashMismatch) bits |= 2;
  if (flags.checkMismatch) bits |= 8;
  return bits === 0 ? 1 : 0x60 | bits;
}

export function isSuccess(
  result: BuildResult,
): result is Extract<BuildResult, { readonly outputs: unknown }> {
  return "outputs" in result;
}
