import { type Derivation, outputPathsOf } from "@drvkit/drv-parser";
import type { RealisationResult } from "../../result/realisation-result.js";
import type { SubstitutionResult } from "../../result/substitution-result.js";
import type { GoalContext, Waitees } from "../../worker/context.js";
import { withoutSubstitutes } from "./load.js";
import { ownOutputIds, pathsByRealisations, usesRealisations } from "./realisations.js";
import { fail, succeed } from "./result.js";
import type { At, Next, Tried } from "./stages.js";
import { queryOutputs } from "./validity.js";
import { pathRequests, refuseUnknownNames } from "./wanted.js";

/** Asks for the wanted outputs elsewhere. Rows H5, S1–S9. */
export async function substitute({ tried }: At<"substitute">, cx: GoalContext): Next<"substitute"> {
  const { version } = cx.wanted;
  const drv = await cx.derivation();
  const results = await cx.waitFor(await requests(drv, cx));
  const failed = [...results.paths, ...results.realisations].filter(
    (result): result is Failed => result !== undefined && result.exit !== "success",
  );
  const count = (exit: Failed["exit"]) => failed.filter((result) => result.exit === exit).length;
  if (count("failed") > 0 && !cx.settings.fallback)
    return fail(cx, "substitutes-failed", {
      status: "transientFailure",
      // The blank at the end is Nix's.
      message: `some substitutes for the outputs of derivation '${cx.drvPath}' failed (usually happens due to networking issues); try '--fallback' to build derivation from source `,
      code: "ERR_BUILD_FAILED",
      hint: failed.find(({ exit }) => exit === "failed")?.hint,
    });
  if (cx.wanted.version !== version) return { at: "load", because: "outputs-added", tried };
  refuseUnknownNames(cx, drv);
  const { paths, allValid } = await queryOutputs(drv, cx);
  if (allValid && cx.mode === "normal")
    return succeed(cx, paths, { status: "substituted", because: "substituted" });
  const incomplete = count("incompleteClosure");
  return withoutSubstitutes(cx, allValid, next(tried, incomplete > 0 && incomplete === failed.length));
}

/** Valid ones are asked for, too: that costs nothing, and in repair mode they are obtained anew. */
async function requests(drv: Derivation, cx: GoalContext): Promise<Waitees> {
  const paths = usesRealisations(cx) ? await pathsByRealisations(drv, cx) : outputPathsOf(drv);
  const known = pathRequests(cx, drv, paths).map((request) => ({ ...request, repair: cx.mode === "repair" }));
  const unknown = [...paths].flatMap(([name, path]) =>
    path === undefined && cx.wanted.has(name) ? [name] : [],
  );
  if (unknown.length === 0) return { paths: known };
  const ids = await ownOutputIds(drv, cx);
  return { paths: known, realisations: unknown.flatMap((name) => ids.get(name) ?? []) };
}

type Failed = Exclude<SubstitutionResult | RealisationResult, { readonly exit: "success" }>;

/** Only one more try: what is still missing after it is built. Row S2. */
function next(tried: Tried, incomplete: boolean): Tried {
  if (tried === "again") return "again";
  return incomplete ? "incomplete" : "once";
}
