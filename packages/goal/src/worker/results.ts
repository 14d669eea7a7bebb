import type { OutputName, StorePath } from "@drvkit/drv-parser";
import { miscFailure } from "../goals/derivation/result.js";
import { unknownOutputs } from "../goals/derivation/wanted.js";
import type { BuildResult } from "../result/build-result.js";
import { isSuccess } from "../result/exit-status.js";
import type { InputRequest, WaiteeResults, Waitees } from "./context.js";
import type { GoalResult } from "./goals.js";

/** Results in the order of what was waited for, by kind; `undefined` for what has none. */
export function sorted(
  { derivations = [], paths = [], realisations = [] }: Waitees,
  results: readonly (GoalResult | undefined)[],
): WaiteeResults {
  let next = 0;
  const take = (of: readonly unknown[]) => of.map(() => results[next++]);
  return {
    derivations: take(derivations).map((result, index) => forRequest(derivations[index], result)),
    paths: take(paths),
    realisations: take(realisations),
  } as WaiteeResults;
}

/** Others may have asked the same goal for more, or for what there is not: nobody is told of that who did not. */
function forRequest(
  request: InputRequest | undefined,
  result: GoalResult | undefined,
): BuildResult | undefined {
  const built = result as BuildResult | undefined; // of a derivation
  if (built === undefined || request === undefined || !isSuccess(built) || request.outputs === "all")
    return built;
  const outputs = new Map<OutputName, StorePath>();
  const unknown: OutputName[] = [];
  for (const name of request.outputs) {
    const path = built.outputs.get(name);
    if (path === undefined) unknown.push(name);
    else outputs.set(name, path);
  }
  if (unknown.length === 0) return { ...built, outputs };
  return miscFailure(request.drvPath, unknownOutputs(request.drvPath, unknown, built.outputs.keys()));
}
