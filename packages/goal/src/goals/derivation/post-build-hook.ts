import { compareText, type StorePath } from "@drvkit/drv-parser";
import { Lines } from "../../log/lines.js";
import type { GoalContext } from "../../worker/context.js";
import { miscFailure } from "./result.js";
import type { At } from "./stages.js";
import { type OutputPaths, wantedOutputs } from "./wanted.js";

/** The end of a build that went well, unless the post-build hook fails. */
export async function afterBuild(
  outputs: OutputPaths,
  done: At<"done">,
  cx: GoalContext,
): Promise<At<"done">> {
  try {
    await runPostBuildHook(wantedOutputs(cx, outputs).values(), cx);
    return done;
  } catch (error) {
    cx.throwIfAborted();
    const { startTimeSeconds, stopTimeSeconds } = done.result;
    const times = { startTimeSeconds, stopTimeSeconds };
    return { at: "done", because: "error", result: miscFailure(cx.drvPath, error, { times }) };
  }
}

/**
 * Runs the post-build hook, if there is one, with outputs that have just been made valid. Whoever waits for them waits
 * for it, too.
 *
 * @throws what the hook throws: then the goal fails, and the outputs stay valid.
 * @see Nix: src/libstore/build/derivation-goal.cc, `runPostBuildHook`
 */
export async function runPostBuildHook(outputs: Iterable<StorePath>, cx: GoalContext): Promise<void> {
  const { postBuildHook } = cx.ports;
  if (postBuildHook === undefined) return;
  const { key: goal, drvPath, signal } = cx;
  cx.emit({ type: "post-build-hook-started", goal, drvPath, program: postBuildHook.program });
  const lines = new Lines((line) => cx.emit({ type: "post-build-hook-line", goal, line }));
  try {
    const run = postBuildHook.run(
      { drvPath, outputs: [...new Set(outputs)].sort(compareText) },
      { signal, write: (bytes) => lines.write(bytes) },
    );
    cx.leaveTurn();
    await run;
  } finally {
    lines.end();
    cx.emit({ type: "post-build-hook-finished", goal });
  }
}
