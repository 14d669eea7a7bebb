import { compareText, type StorePath } from "@drvkit/drv-parser";
import { isSuccess } from "../../result/exit-status.js";
import type { GoalContext } from "../../worker/context.js";
import { makersBelow } from "./realisations.js";
import { fail, succeed } from "./result.js";
import type { At, Next } from "./stages.js";
import { queryOutputs } from "./validity.js";
import { wantedOutputs } from "./wanted.js";

/** The outputs are good; what they refer to is made so. Rows C1–C4. */
export async function repairClosure(_stage: At<"repairClosure">, cx: GoalContext): Next<"repairClosure"> {
  const { paths: outputs } = await queryOutputs(await cx.derivation(), cx);
  const bad = await corruptedBelow([...wantedOutputs(cx, outputs).values()], new Set(outputs.values()), cx);
  if (bad.length === 0) return succeed(cx, outputs, { status: "alreadyValid", because: "closure-good" });

  for (const path of bad) {
    const text = `found corrupted or missing path '${path}' in the output closure of '${cx.drvPath}'`;
    cx.emit({ type: "message", goal: cx.key, level: "error", text });
  }
  const makers = await makersBelow(cx);
  const derivations = [...new Set(bad.flatMap((path) => makers.get(path) ?? []))].sort(compareText);
  const results = await cx.waitFor({
    derivations: derivations.map((drvPath) => ({ drvPath, outputs: "all" })),
    paths: bad.filter((path) => !makers.has(path)).map((path) => ({ path, repair: true })),
    mode: "repair",
  });
  const areRepaired =
    results.derivations.every((result) => result !== undefined && isSuccess(result)) &&
    results.paths.every((result) => result?.exit === "success");
  if (areRepaired) return succeed(cx, outputs, { status: "alreadyValid", because: "closure-repaired" });
  return fail(cx, "closure-not-repaired", {
    status: "miscFailure",
    message: `some paths in the output closure of derivation '${cx.drvPath}' could not be repaired`,
    code: "ERR_GOAL_REPAIR",
    hint: "what failed stands before this; a path that nothing here builds needs a substituter",
  });
}

/** What these paths refer to and is not any more what was registered, in byte order. Their own derivation makes `own`. */
async function corruptedBelow(
  paths: readonly StorePath[],
  own: ReadonlySet<StorePath | undefined>,
  cx: GoalContext,
): Promise<readonly StorePath[]> {
  const closure = await cx.ports.store.queryClosure(paths);
  const bad: StorePath[] = [];
  for (const path of closure) {
    if (own.has(path)) continue;
    if (!(await cx.away(cx.contents.isGood(path, cx.signal)))) bad.push(path);
  }
  return bad;
}
