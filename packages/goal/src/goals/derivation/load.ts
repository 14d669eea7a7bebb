import {
  type Derivation,
  derivationOptions,
  derivationType,
  hasKnownOutputPaths,
  outputPathsOf,
} from "@drvkit/drv-parser";
import { GoalError } from "../../error.js";
import type { GoalContext } from "../../worker/context.js";
import { fail, succeed, succeedWith, wantedPaths } from "./result.js";
import type { At, Next, Tried } from "./stages.js";

/** Reads the derivation and asks whether anything has to be done. Rows G1–H6, S8, S9. */
export async function load({ tried }: At<"load">, cx: GoalContext): Next<"load"> {
  const { store } = cx.ports;
  await store.addTempRoots([cx.drvPath]);
  if (!(await isDerivationValid(cx)))
    return fail(cx, "missing-derivation", {
      status: "miscFailure",
      message: `cannot build missing derivation '${cx.drvPath}'`,
      code: "ERR_GOAL_MISSING_DERIVATION",
      hint: "import it: give the path of its '.drv' file",
    });

  const there = cx.mode === "normal" ? await findValid(cx) : undefined;
  if (there !== undefined) return there;

  const drv = await cx.derivation();
  const options = derivationOptions(cx.drvPath, drv); // refuses attributes of a wrong type before anything is built
  refuseUnsupported(drv, cx);
  await store.addTempRoots([...outputPathsOf(drv).values()].filter((path) => path !== undefined));

  const allValid = await areWantedValid(cx, drv);
  if (allValid && cx.mode === "normal")
    return succeed(cx, drv, { status: "alreadyValid", because: "already-valid" });
  const { settings } = cx;
  if (!allValid && canSubstitute(cx) && (options.allowSubstitutes || settings.alwaysAllowSubstitutes))
    return { at: "substitute", because: "asks-substituters", tried };
  return withoutSubstitutes(cx, allValid, "once");
}

/** What the store knows of the outputs is enough when they are valid: nothing has to be read. Rows H3, H4. */
async function findValid(cx: GoalContext): Promise<At<"done"> | undefined> {
  const { store } = cx.ports;
  const outputs = await store.queryDerivationOutputs(cx.drvPath);
  const names = cx.wanted.names();
  if (outputs.size === 0 || (names !== "all" && names.some((name) => !outputs.has(name)))) return undefined;
  await store.addTempRoots(outputs.values());
  const wanted = [...outputs].filter(([name]) => cx.wanted.has(name)).map(([, path]) => path);
  const valid = await store.queryValidPaths(wanted);
  if (wanted.some((path) => !valid.has(path))) return undefined;
  return succeedWith(cx, outputs, { status: "alreadyValid", because: "already-valid" });
}

/** Whether there is anybody to ask. */
export function canSubstitute({ settings, substituters }: GoalContext): boolean {
  return settings.substitute && substituters.all.length > 0;
}

/** Whether all outputs that are wanted now are valid. */
export async function areWantedValid(cx: GoalContext, drv: Derivation): Promise<boolean> {
  const wanted = wantedPaths(cx, drv);
  const valid = await cx.ports.store.queryValidPaths(wanted);
  return wanted.every((path) => valid.has(path));
}

/** What is not to be had elsewhere is built; what is to be compared has to be there. Rows S8, S9. */
export function withoutSubstitutes(
  cx: GoalContext,
  allValid: boolean,
  tried: Tried,
): At<"realiseInputs"> | At<"done"> {
  if (cx.mode === "normal") return { at: "realiseInputs", because: "needs-build", tried };
  if (allValid) return { at: "realiseInputs", because: "needs-check", tried };
  return fail(cx, "check-impossible", {
    status: "miscFailure",
    message: `some outputs of '${cx.drvPath}' are not valid, so checking is not possible`,
    code: "ERR_GOAL_CHECK",
    hint: "build it once without '--check'",
  });
}

/** A derivation that is not there may be had elsewhere. Rows G1, G2. */
async function isDerivationValid(cx: GoalContext): Promise<boolean> {
  const isValid = async () => (await cx.ports.store.queryValidPaths([cx.drvPath])).has(cx.drvPath);
  if (await isValid()) return true;
  if (!canSubstitute(cx)) return false;
  await cx.waitFor({ paths: [{ path: cx.drvPath }] });
  return isValid();
}

/** Row H1. */
function refuseUnsupported(drv: Derivation, cx: GoalContext): void {
  if (!hasKnownOutputPaths(derivationType(drv))) throw unknownOutputPaths(cx);
  if ([...drv.outputs.values()].some((output) => output.kind === "fixed" && output.ca.method === "git"))
    throw new GoalError(
      "ERR_GOAL_FEATURE",
      "experimental Nix feature 'git-hashing' is disabled; use '--extra-experimental-features git-hashing' to override",
      { hint: "this version does not hash trees as git does" },
    );
}

function unknownOutputPaths({ drvPath, settings }: GoalContext): GoalError {
  const hint = "this version builds derivations whose output paths are known";
  const message = settings.experimentalFeatures.has("ca-derivations")
    ? `output paths of '${drvPath}' are not known before it is built`
    : "experimental Nix feature 'ca-derivations' is disabled; use '--extra-experimental-features ca-derivations' to override";
  return new GoalError("ERR_GOAL_FEATURE", message, { hint });
}
