import type { StorePath } from "@drvkit/drv-parser";
import type { RunningBuild } from "../../ports/sandbox.js";
import type { GoalContext } from "../../worker/context.js";
import type { Scratch } from "./scratch.js";
import { knownPaths, type OutputPaths } from "./wanted.js";

/** A build that failed after its builder ended. */
interface Failed {
  readonly running: RunningBuild;
  readonly known: OutputPaths;
  readonly valid: ReadonlySet<StorePath>;
  readonly scratch: Scratch;
}

/**
 * What a builder that failed wrote of its outputs, put where they would be, for people to look at until the next attempt. They are not
 * valid. Owner and modes are first those of the store: nobody but the engine can change what lies there. What cannot be made so goes
 * with the sandbox.
 *
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `LocalDerivationGoal::cleanupDecideWhetherDiskFull`
 */
export async function keepPartialOutputs(
  { running, known, valid, scratch }: Failed,
  cx: GoalContext,
): Promise<void> {
  if (cx.mode !== "normal" || running.isolation !== "sandbox") return;
  const { store, trees } = cx.ports;
  const written = new Set(scratch.values());
  const allowedUids = running.builderUids;
  const seen = trees.makeSeenInodes();
  for (const path of knownPaths(known)) {
    if (valid.has(path) || !written.has(path)) continue;
    const location = running.scratchLocation(path);
    if ((await trees.stat(location)) === undefined) continue;
    try {
      await trees.canonicalise(location, { seen, ...(allowedUids === undefined ? {} : { allowedUids }) });
    } catch {
      continue;
    }
    await trees.replace(location, store.realPathOf(path));
  }
}
