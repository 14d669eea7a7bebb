import { hashesEqual } from "@drvkit/drv-parser";
import type { GoalContext } from "../worker/context.js";
import { OutputError } from "./error.js";
import type { FinishedOutput } from "./finish.js";

/**
 * Check mode: holds what was built now against what is registered; nothing is moved into place. With `keep-failed`
 * the first output that differs is kept beside the registered one as `.check`.
 *
 * @throws {@link OutputError} `notDeterministic`.
 */
export async function compareWithRegistered(
  finished: readonly FinishedOutput[],
  cx: GoalContext,
): Promise<void> {
  const { store, trees } = cx.ports;
  for (const { location, info } of finished) {
    const registered = await store.queryPathInfo(info.path);
    if (registered === undefined) continue;
    if (hashesEqual(registered.narHash, info.narHash)) {
      if (!registered.ultimate) await store.registerValidPaths([{ ...registered, ultimate: true }]);
      continue;
    }
    const differs = `derivation '${cx.drvPath}' may not be deterministic: output '${store.realPathOf(info.path)}' differs`;
    const hint = "build it with '--keep-failed' as well to compare the two";
    if (!cx.settings.keepFailed) throw new OutputError("notDeterministic", differs, { hint });
    const kept = `${store.realPathOf(info.path)}.check`;
    await trees.remove(kept);
    await trees.move(location, kept);
    throw new OutputError("notDeterministic", `${differs} from '${kept}'`);
  }
}
