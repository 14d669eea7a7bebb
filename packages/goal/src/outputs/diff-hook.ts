import { reasonOf } from "../error.js";
import type { RunningBuild } from "../ports/sandbox.js";
import type { GoalContext } from "../worker/context.js";

/**
 * Shows two outputs that should be equal to the diff hook, if there is one, and what that prints to whoever reads the events. That it
 * fails changes nothing.
 *
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `handleDiffHook`
 */
export async function runDiffHook(
  differing: { readonly registered: string; readonly built: string; readonly running: RunningBuild },
  cx: GoalContext,
): Promise<void> {
  const { diffHook } = cx.ports;
  if (diffHook === undefined) return;
  const { registered, built, running } = differing;
  const { buildDir, builderUids, builderGid } = running;
  const tell = (text: string) => cx.emit({ type: "message", goal: cx.key, level: "error", text });
  try {
    const uid = builderUids?.first;
    const told = { drvPath: cx.drvPath, registered, built, buildDir, uid, gid: builderGid };
    const printed = await diffHook.run(told, { signal: cx.signal });
    if (printed.trimEnd() !== "") tell(printed.trimEnd());
  } catch (error) {
    cx.signal.throwIfAborted();
    tell(`diff hook execution failed: ${reasonOf(error)}`);
  }
}
