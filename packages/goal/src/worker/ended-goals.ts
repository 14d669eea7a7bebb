import type { StorePath } from "@drvkit/drv-parser";
import type { BuildResult } from "../result/build-result.js";
import { Audience } from "./audience.js";
import { DerivationGoal, type DerivationRequest } from "./derivation-context.js";
import type { GoalKey } from "./goal-key.js";
import { Goal, type GoalOwner } from "./goals.js";

/** Of a goal that nobody has to run. */
const nobody: GoalOwner = { ended: () => undefined };

/** The goal of a derivation that has failed for every run that asks: what is known is not worked for again. */
export function failedBefore(
  key: GoalKey,
  drvPath: StorePath,
  { runs }: Audience,
): Goal<BuildResult> | undefined {
  const failures = [...runs].map((run) => run.failureOf(drvPath));
  const [failed] = failures;
  if (failed === undefined || failures.includes(undefined)) return undefined;
  const goal = new Goal<BuildResult>(key, new Audience(), nobody);
  goal.done(failed);
  return goal;
}

/** The goal of a derivation of which the result was found out before there was a goal. */
export function validBefore(
  key: GoalKey,
  audience: Audience,
  request: DerivationRequest,
  result: BuildResult,
): Goal<BuildResult> {
  const goal = new DerivationGoal(key, audience, nobody, request);
  const { drvPath, wanted } = request;
  audience.emitOnce({ type: "goal-created", goal: key, drvPath, wanted: wanted.names() });
  const [from, to, because] = ["load", "done", "already-valid"] as const;
  audience.emitOnce({ type: "goal-stage", goal: key, from, to, because });
  goal.done(result);
  return goal;
}
