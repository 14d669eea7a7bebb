import { type Derivation, outputPathsOf } from "@drvkit/drv-parser";
import type { SubstitutionResult } from "../../result/substitution-result.js";
import type { GoalContext, PathRequest } from "../../worker/context.js";
import { withoutSubstitutes } from "./load.js";
import { fail, succeed } from "./result.js";
import type { At, Next, Tried } from "./stages.js";
import { areWantedValid } from "./validity.js";
import { pathRequests, refuseUnknownNames } from "./wanted.js";

/** Asks for the wanted outputs elsewhere. Rows H5, S1–S9. */
export async function substitute({ tried }: At<"substitute">, cx: GoalContext): Next<"substitute"> {
  const { version } = cx.wanted;
  const drv = await cx.derivation();
  const { paths } = await cx.waitFor({ paths: requests(cx, drv) });
  const failed = paths.filter(
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
  const outputs = outputPathsOf(drv);
  const allValid = await areWantedValid(cx, outputs);
  if (allValid && cx.mode === "normal")
    return succeed(cx, outputs, { status: "substituted", because: "substituted" });
  const incomplete = count("incompleteClosure");
  return withoutSubstitutes(cx, allValid, next(tried, incomplete > 0 && incomplete === failed.length));
}

/** Valid ones are asked for, too: that costs nothing, and in repair mode they are obtained anew. */
function requests(cx: GoalContext, drv: Derivation): readonly PathRequest[] {
  return pathRequests(cx, drv).map((request) => ({ ...request, repair: cx.mode === "repair" }));
}

type Failed = Exclude<SubstitutionResult, { readonly exit: "success" }>;

/** Only one more try: what is still missing after it is built. Row S2. */
function next(tried: Tried, incomplete: boolean): Tried {
  if (tried === "again") return "again";
  return incomplete ? "incomplete" : "once";
}
