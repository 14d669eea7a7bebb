import { hashesEqual, type OutputName, type StorePath } from "@drvkit/drv-parser";
import type { GoalContext } from "../worker/context.js";
import { OutputError } from "./error.js";
import type { FinishedOutput } from "./finish.js";

/**
 * Check mode: holds what was built now against what is registered; nothing is moved into place. An output whose path
 * follows from its content differs when that is another path than the known one. With `keep-failed`
 * the first output that differs is kept beside the registered one as `.check`.
 *
 * @throws {@link OutputError} `notDeterministic`.
 */
export async function compareWithRegistered(
  finished: readonly FinishedOutput[],
  found: ReadonlyMap<OutputName, StorePath | undefined>,
  cx: GoalContext,
): Promise<void> {
  const { store, trees } = cx.ports;
  for (const { name, location, info } of finished) {
    const path = found.get(name) ?? info.path;
    const registered = await store.queryPathInfo(path);
    if (registered === undefined) continue;
    if (path === info.path && hashesEqual(registered.narHash, info.narHash)) {
      if (!registered.ultimate) await store.registerValidPaths([{ ...registered, ultimate: true }]);
      continue;
    }
    const differs = `derivation '${cx.drvPath}' may not be deterministic: output '${store.realPathOf(path)}' differs`;
    const hint = "build it with '--keep-failed' as well to compare the two";
    if (!cx.settings.keepFailed) throw new OutputError("notDeterministic", differs, { hint });
    const kept = `${store.realPathOf(path)}.check`;
    await trees.remove(kept);
    await trees.move(location, kept);
    throw new OutputError("notDeterministic", `${differs} from '${kept}'`);
  }
}
