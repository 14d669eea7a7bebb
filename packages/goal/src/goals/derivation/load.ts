import { derivationOptions, derivationType, hasKnownOutputPaths, outputPathsOf } from "@drvkit/drv-parser";
import { GoalError } from "../../error.js";
import type { GoalContext } from "../../worker/context.js";
import { fail, succeed, wantedPaths } from "./result.js";
import type { At, Next } from "./stages.js";

/** Reads the derivation and asks whether anything has to be done. Rows G1–H6, S4–S9 without substituters. */
export async function load(_stage: At<"load">, cx: GoalContext): Next<"load"> {
  const { store } = cx.ports;
  await store.addTempRoot(cx.drvPath);
  if (!(await store.queryValidPaths([cx.drvPath])).has(cx.drvPath))
    return fail(cx, "missing-derivation", {
      status: "miscFailure",
      message: `cannot build missing derivation '${cx.drvPath}'`,
      code: "ERR_GOAL_MISSING_DERIVATION",
      hint: "import it: give the path of its '.drv' file",
    });

  const drv = await cx.derivation();
  const type = derivationType(drv);
  derivationOptions(cx.drvPath, drv); // refuses attributes of a wrong type before anything is built
  if (!hasKnownOutputPaths(type)) throw unknownOutputPaths(cx);
  if ([...drv.outputs.values()].some((output) => output.kind === "fixed" && output.ca.method === "git"))
    throw new GoalError(
      "ERR_GOAL_FEATURE",
      "experimental Nix feature 'git-hashing' is disabled; use '--extra-experimental-features git-hashing' to override",
      { hint: "this version does not hash trees as git does" },
    );
  for (const path of outputPathsOf(drv).values()) if (path !== undefined) await store.addTempRoot(path);

  const wanted = wantedPaths(cx, drv);
  const valid = await store.queryValidPaths(wanted);
  const allValid = wanted.every((path) => valid.has(path));
  if (cx.mode === "check") {
    if (allValid) return { at: "realiseInputs", because: "needs-check" };
    return fail(cx, "check-impossible", {
      status: "miscFailure",
      message: `some outputs of '${cx.drvPath}' are not valid, so checking is not possible`,
      code: "ERR_GOAL_CHECK",
      hint: "build it once without '--check'",
    });
  }
  if (allValid) return succeed(cx, drv, { status: "alreadyValid", because: "already-valid" });
  return { at: "realiseInputs", because: "needs-build" };
}

function unknownOutputPaths({ drvPath, settings }: GoalContext): GoalError {
  const hint = "this version builds derivations whose output paths are known";
  const message = settings.experimentalFeatures.has("ca-derivations")
    ? `output paths of '${drvPath}' are not known before it is built`
    : "experimental Nix feature 'ca-derivations' is disabled; use '--extra-experimental-features ca-derivations' to override";
  return new GoalError("ERR_GOAL_FEATURE", message, { hint });
}
