import { derivationOptions, derivationType, isPure } from "@drvkit/drv-parser";
import type { KnownOutputs } from "../../ports/store.js";
import type { GoalContext } from "../../worker/context.js";
import { requireFeatures } from "./features.js";
import { usesRealisations } from "./realisations.js";
import { alreadyValid, fail } from "./result.js";
import type { At, Next, Tried } from "./stages.js";
import { outputsOf, queryOutputs } from "./validity.js";
import { refuseUnknownNames } from "./wanted.js";

/** Asks whether anything has to be done, and reads the derivation if so. Rows G1–H6, S7–S9. */
export async function load({ tried }: At<"load">, cx: GoalContext): Next<"load"> {
  const known = cx.isInMemory ? await protect(cx) : await knownOutputs(cx);
  if (known === undefined)
    return fail(cx, "missing-derivation", {
      status: "miscFailure",
      message: `cannot build missing derivation '${cx.drvPath}'`,
      code: "ERR_GOAL_MISSING_DERIVATION",
      hint: "import it: give the path of its '.drv' file",
    });

  // What the store knows of the outputs is enough when they are valid: nothing has to be read.
  const stated = usesRealisations(cx) || known === "in-memory" ? undefined : await outputsOf(cx, known);
  if (stated?.allValid === true && cx.mode === "normal") return alreadyValid(cx, stated);

  const drv = await cx.derivation();
  const options = derivationOptions(cx.drvPath, drv); // refuses attributes of a wrong type before anything is built
  requireFeatures(drv, cx);
  refuseUnknownNames(cx, drv);
  if (!isPure(derivationType(drv))) return { at: "realiseInputs", because: "needs-build", tried: "once" };
  // Asked anew: names that are none may have been dropped.
  const now =
    known === "in-memory" || usesRealisations(cx) ? await queryOutputs(drv, cx) : await outputsOf(cx, known);
  const { allValid } = now;
  if (allValid && cx.mode === "normal") return alreadyValid(cx, now);
  const { settings } = cx;
  if (!allValid && cx.substituters.areAny && (options.allowSubstitutes || settings.alwaysAllowSubstitutes))
    return { at: "substitute", because: "asks-substituters", tried };
  return withoutSubstitutes(cx, allValid, "once");
}

/** What is not to be had elsewhere is built; what is to be compared has to be there. Rows S7–S9. */
export function withoutSubstitutes(
  cx: GoalContext,
  allValid: boolean,
  tried: Tried,
): At<"realiseInputs"> | At<"repairClosure"> | At<"done"> {
  if (cx.mode === "repair" && allValid) return { at: "repairClosure", because: "outputs-good" };
  if (cx.mode !== "check") return { at: "realiseInputs", because: "needs-build", tried };
  if (allValid) return { at: "realiseInputs", because: "needs-check", tried };
  return fail(cx, "check-impossible", {
    status: "miscFailure",
    message: `some outputs of '${cx.drvPath}' are not valid, so checking is not possible`,
    code: "ERR_GOAL_CHECK",
    hint: "build it once without '--check'",
  });
}

/** What the store knows of the outputs, protected before it is asked. A derivation that is not there may be had elsewhere. Rows G1, G2, L2. */
async function knownOutputs(cx: GoalContext): Promise<KnownOutputs | undefined> {
  const ask = async () => (await cx.derivationStore.protectKnownOutputs([cx.drvPath])).get(cx.drvPath);
  const known = await ask();
  if (known !== undefined || !cx.substituters.areAny) return known;
  await cx.waitFor({ paths: [{ path: cx.drvPath }] });
  return await ask();
}

/** The build directory is named after the derivation, though the store need not have it. */
async function protect({ drvPath, ports }: GoalContext): Promise<"in-memory"> {
  await ports.store.addTempRoots([drvPath]);
  return "in-memory";
}
