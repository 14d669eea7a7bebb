import { hashesEqual, type OutputName, type StorePath } from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { reasonOf } from "../error.js";
import type { RunningBuild } from "../ports/sandbox.js";
import type { OutputDifference } from "../result/differences.js";
import type { GoalContext } from "../worker/context.js";
import { runDiffHook } from "./diff-hook.js";
import { OutputError } from "./error.js";
import { explainDifference } from "./explain.js";
import type { FinishedOutput } from "./finish.js";
import { signOutput } from "./sign.js";

/** What is held against what is registered. */
export interface ToCompare {
  readonly finished: readonly FinishedOutput[];
  /** Where outputs are whose path the derivation does not state. */
  readonly found: ReadonlyMap<OutputName, StorePath | undefined>;
  readonly running: RunningBuild;
}

/**
 * Check mode: holds what was built now against what is registered; nothing is moved into place. An output whose path
 * follows from its content differs when that is another path than the known one. With `keep-failed` or a diff hook, those
 * that differ are kept beside the registered ones as `.check`.
 *
 * @throws {@link OutputError} `notDeterministic`, about the first output that differs, with what differs in each.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `registerOutputs`
 */
export async function compareWithRegistered(compared: ToCompare, cx: GoalContext): Promise<void> {
  const { store } = cx.ports;
  const differences: OutputDifference[] = [];
  for (const output of compared.finished) {
    const path = compared.found.get(output.name) ?? output.info.path;
    const registered = await store.queryPathInfo(path);
    if (registered === undefined) continue;
    if (path === output.info.path && hashesEqual(registered.narHash, output.info.narHash))
      await adopt(registered, cx);
    else differences.push(await describe(output, path, compared.running, cx));
  }
  const [first] = differences;
  if (first === undefined) return;
  const from = first.kept === undefined ? "" : ` from '${first.kept}'`;
  const message = `derivation '${cx.drvPath}' may not be deterministic: output '${store.realPathOf(first.path)}' differs${from}`;
  const hint = "build it with '--keep-failed' as well to have both";
  throw new OutputError("notDeterministic", message, {
    ...(first.kept === undefined ? { hint } : {}),
    differences,
  });
}

/** What was built here and is equal is as good as built here. */
async function adopt(registered: PathInfo, cx: GoalContext): Promise<void> {
  if (registered.ultimate) return;
  await cx.ports.store.registerValidPaths([await signOutput({ ...registered, ultimate: true }, cx.settings)]);
}

/** So many files of an output are described. */
const mostFiles = 100;

async function describe(
  { name, location }: FinishedOutput,
  path: StorePath,
  running: RunningBuild,
  cx: GoalContext,
): Promise<OutputDifference> {
  const { store, trees, diffHook } = cx.ports;
  const registered = store.realPathOf(path);
  const files = await compareFiles(registered, location, cx);
  if (!cx.settings.keepFailed && diffHook === undefined) return { output: name, path, ...files };
  const kept = `${registered}.check`;
  await trees.remove(kept);
  await trees.move(location, kept);
  await runDiffHook({ registered, built: kept, running }, cx);
  return { output: name, path, kept, ...files };
}

/** That they differ is known; where that cannot be told they differ all the same. */
async function compareFiles(
  registered: string,
  built: string,
  cx: GoalContext,
): Promise<Pick<OutputDifference, "files" | "count">> {
  try {
    const options = { limit: mostFiles, signal: cx.signal };
    const { differences, count } = await cx.ports.trees.compare(registered, built, options);
    return { files: differences.map(explainDifference), count };
  } catch (error) {
    cx.signal.throwIfAborted();
    const text = `cannot tell what differs in '${registered}': ${reasonOf(error)}`;
    cx.emit({ type: "message", goal: cx.key, level: "warn", text });
    return { files: [], count: 0 };
  }
}
