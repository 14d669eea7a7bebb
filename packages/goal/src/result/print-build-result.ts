import type { BuildResult } from "./build-result.js";

/**
 * A result in Nix's words: its status, and what went wrong.
 *
 * @see Nix: src/libstore/build-result.hh, `BuildResult::toString`
 */
export function printBuildResult(result: BuildResult): string {
  const status = result.status === "noSubstituters" ? "Unknown" : capitalised(result.status);
  return "errorMessage" in result && result.errorMessage !== ""
    ? `${status} : ${result.errorMessage}`
    : status;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
