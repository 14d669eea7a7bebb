import { EngineError } from "@drvkit/drv-parser";
import { isTrusted } from "@drvkit/narinfo";
import { describeError, GoalError } from "../../error.js";
import type { SubstitutionResult } from "../../result/substitution-result.js";
import type { SubstitutionContext } from "../../worker/context.js";
import type { Substituter } from "../../worker/substituters.js";
import { asOurs } from "./ask.js";
import type { AtPath } from "./stages.js";

/**
 * The one offer of a path that is copied from the evaluation store. What is signed by nobody counts if its content alone
 * leads to its path, as of any other store. Row B3.
 *
 * @throws EngineError `ERR_STORE_NOT_VALID`; {@link GoalError} `ERR_GOAL_COPY`; what the store throws.
 * @see Nix: src/libstore/store-api.cc, `copyClosure`
 */
export async function offerOfEvalStore(
  from: Substituter,
  cx: SubstitutionContext,
): Promise<AtPath<"references">> {
  const asked = from.port.queryPathInfo(cx.path, { signal: cx.signal });
  cx.leaveTurn();
  const info = await asked;
  if (info === undefined)
    throw new EngineError(
      "ERR_STORE_NOT_VALID",
      `path '${cx.path}' is not valid any more in evaluation store '${from.uri}'`,
      { hint: "garbage was collected there meanwhile: evaluate again" },
    );
  const { requireSignatures, trustedPublicKeys } = cx.settings;
  if (requireSignatures && !(await isTrusted(asOurs(info, cx.path), trustedPublicKeys)))
    throw new GoalError(
      "ERR_GOAL_COPY",
      `cannot copy '${cx.path}' from evaluation store '${from.uri}': it lacks a signature by a trusted key`,
      { hint: "sign it there and add the key to 'trusted-public-keys', or use '--no-require-sigs'" },
    );
  return { at: "references", because: "offered", next: 1, offer: { from, info } };
}

/** That a copy did not come: what the store or the archive said of it, with where it came from. */
export function copyError(error: unknown, { uri }: Substituter, { path }: SubstitutionContext): EngineError {
  const {
    code = "ERR_GOAL_COPY",
    message: reason,
    hint = "add it to the store by other means",
  } = describeError(error);
  const isDamaged = code === "ERR_STORE_HASH_MISMATCH";
  return new EngineError(code, `cannot copy '${path}' from evaluation store '${uri}': ${reason}`, {
    cause: error,
    hint: isDamaged
      ? "its files there were changed: evaluate into another store, or repair it there if somebody offers it"
      : hint,
  });
}

/** Who waits for a copy learns of the first reference that could not be had. */
export function firstFailure(
  failed: readonly (SubstitutionResult | undefined)[],
  { path }: SubstitutionContext,
): SubstitutionResult | undefined {
  const first = failed.find((result) => result !== undefined && result.exit !== "success");
  return first === undefined ? undefined : { ...first, path };
}
