import { appendFileSync } from "node:fs";
import { type Event, printBuildResult } from "@drvkit/goal";

/**
 * Appends how derivations ended to the file that the variable `_NIX_TRACE_BUILT_OUTPUTS` names: drv path, tab, result. Without
 * it there is nothing to tell.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `DerivationGoal::done`
 */
export function builtTrace(env: NodeJS.ProcessEnv): ((event: Event) => void) | undefined {
  const file = env["_NIX_TRACE_BUILT_OUTPUTS"];
  if (file === undefined || file === "") return undefined;
  return (event) => {
    if (event.type !== "goal-done") return;
    try {
      appendFileSync(file, `${event.result.drvPath}\t${printBuildResult(event.result)}\n`);
    } catch {
      // As in Nix, a file that cannot be written is nobody's failure.
    }
  };
}
