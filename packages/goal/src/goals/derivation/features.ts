import { type Derivation, derivationType, hasKnownOutputPaths, isFixed, isPure } from "@drvkit/drv-parser";
import { GoalError } from "../../error.js";
import type { GoalContext } from "../../worker/context.js";

/**
 * Refuses a derivation that needs an experimental feature which is off, or one that does not exist here. Rows H1, H2.
 *
 * @throws {@link GoalError} `ERR_GOAL_FEATURE`.
 */
export function requireFeatures(
  drv: Derivation,
  { drvPath, settings }: Pick<GoalContext, "drvPath" | "settings">,
): void {
  const type = derivationType(drv);
  const require = (feature: string) => {
    if (!settings.experimentalFeatures.has(feature)) throw missing(feature);
  };
  if (!hasKnownOutputPaths(type)) require("ca-derivations");
  if (!isPure(type)) require("impure-derivations");
  if (drv.dynamicInputs !== undefined) require("dynamic-derivations");
  if (type.kind === "inputAddressed" && type.deferred && drv.inputDrvs.size === 0)
    throw new GoalError(
      "ERR_GOAL_ATTRIBUTE",
      `derivation '${drvPath}' states no output paths, and has no inputs that would decide them`,
      { hint: "fill in its output paths" },
    );
  const methods = [...drv.outputs.values()].map((output) => {
    if (output.kind === "fixed") return output.ca.method;
    return "method" in output ? output.method : undefined;
  });
  if (methods.includes("git")) throw missing("git-hashing", "this version does not hash trees as git does");
}

/**
 * What is to be the same each time must not be made from what is not. Row B1.
 *
 * @throws {@link GoalError} `ERR_GOAL_IMPURE`.
 */
export async function refuseImpureInputs(drv: Derivation, cx: GoalContext): Promise<void> {
  const type = derivationType(drv);
  if (!cx.settings.experimentalFeatures.has("impure-derivations") || !isPure(type) || isFixed(type)) return;
  for (const input of drv.inputDrvs.keys()) {
    const { derivationStore } = cx;
    if (!(await derivationStore.queryValidPaths([input])).has(input)) continue; // its own goal says so
    if (isPure(derivationType(await derivationStore.readDerivation(input)))) continue;
    throw new GoalError(
      "ERR_GOAL_IMPURE",
      `pure derivation '${cx.drvPath}' depends on impure derivation '${input}'`,
      { hint: "make it impure as well, or fix the hash of its output" },
    );
  }
}

function missing(feature: string, hint?: string): GoalError {
  return new GoalError(
    "ERR_GOAL_FEATURE",
    `experimental Nix feature '${feature}' is disabled; use '--extra-experimental-features ${feature}' to override`,
    hint === undefined ? {} : { hint },
  );
}
