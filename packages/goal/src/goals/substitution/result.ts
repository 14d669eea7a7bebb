import type { SubstitutionResult } from "../../result/substitution-result.js";
import type { SubstitutionContext } from "../../worker/context.js";
import type { AtPath } from "./stages.js";

/** The good end. */
export function success(
  cx: SubstitutionContext,
  status: "alreadyValid" | "substituted",
  because: AtPath<"done">["because"],
): AtPath<"done"> {
  return done(because, { path: cx.path, exit: "success", status });
}

/** Any end. */
export function done(because: AtPath<"done">["because"], result: SubstitutionResult): AtPath<"done"> {
  return { at: "done", because, result };
}
