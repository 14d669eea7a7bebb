import type { Derivation, DerivationOptions, StorePath } from "@drvkit/drv-parser";
import { makeBuildSpec } from "../../plan/sandbox-spec.js";
import { isolationOf } from "../../plan/where-to-build.js";
import type { BuildSpec, Isolation, RunningBuild } from "../../ports/sandbox.js";
import type { GoalContext } from "../../worker/context.js";
import { exportedGraphs } from "./exported-graphs.js";
import { removeScratch, type Scratch, scratchPaths } from "./scratch.js";
import type { OutputPaths } from "./wanted.js";

/** What a builder is started for. */
interface ToStart {
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  readonly known: OutputPaths;
  readonly valid: ReadonlySet<StorePath>;
}

interface Started {
  readonly running: RunningBuild;
  /** Where the builder writes each output. */
  readonly scratch: Scratch;
  readonly startedMs: number;
  readonly startTimeSeconds: number;
}

/** Isolated as settings and derivation say; where that cannot be had and they allow it, not. */
export async function startBuild(
  build: ToStart,
  inputs: readonly StorePath[],
  cx: GoalContext,
): Promise<Started> {
  const { sandbox } = cx.ports;
  const demands = { ...build, drvPath: cx.drvPath };
  const canBeUnconfined = sandbox.unconfinedBuildDir !== undefined;
  const isolation = isolationOf(demands, cx.settings, canBeUnconfined);
  const startAs = async (how: Isolation): Promise<Started> => {
    const scratch = scratchFor(build, how, cx);
    if (how === "none") await removeScratch(scratch, cx); // of a build that was killed
    return { ...(await start(await planBuild({ ...build, scratch }, inputs, how, cx), cx)), scratch };
  };
  try {
    return await startAs(isolation);
  } catch (error) {
    if (!isWithoutNamespaces(error) || !cx.settings.sandboxFallback || !canBeUnconfined) throw error;
    const text =
      "auto-disabling sandboxing because the prerequisite namespaces are not available and 'sandbox-fallback' is enabled; use '--no-sandbox' or specify 'sandbox = false' setting to silence this warning";
    const unconfined = isolationOf(demands, { ...cx.settings, sandbox: false }, canBeUnconfined);
    cx.emit({ type: "message", goal: cx.key, level: "warn", text });
    return await startAs(unconfined);
  }
}

const namespaceSteps: ReadonlySet<unknown> = new Set([
  "clone",
  "private-mounts",
  "new-root",
  "mount",
  "pivot-root",
]);

/** Whether it is namespaces and what is mounted in them that cannot be had, not any other layer. */
function isWithoutNamespaces(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error) || !("step" in error)) return false;
  return error.code === "ERR_SANDBOX_UNAVAILABLE" && namespaceSteps.has(error.step);
}

/** A running builder, as soon as a user id is free for it. Row Y3. */
async function start(spec: BuildSpec, cx: GoalContext): Promise<Omit<Started, "scratch">> {
  const { clock, sandbox } = cx.ports;
  for (let announced = false; ; announced = true) {
    const [startedMs, startTimeSeconds] = [clock.monotonicMs(), clock.nowSeconds()];
    const starting = sandbox.start(spec, cx.signal);
    cx.leaveTurn();
    const running = await starting;
    if (running !== undefined) return { running, startedMs, startTimeSeconds };
    const text = `waiting for a free build user ID for '${cx.drvPath}'`;
    if (!announced) cx.emit({ type: "message", goal: cx.key, level: "warn", text });
    await cx.sleep(cx.settings.pollIntervalMs);
  }
}

async function planBuild(
  build: ToStart & Pick<Started, "scratch">,
  inputs: readonly StorePath[],
  isolation: Isolation,
  cx: GoalContext,
): Promise<BuildSpec> {
  const { store, sandbox } = cx.ports;
  return makeBuildSpec({
    drvPath: cx.drvPath,
    drv: build.drv,
    options: build.options,
    isInMemory: cx.isInMemory,
    isolation,
    inputs,
    scratch: build.scratch,
    known: build.known,
    graphs: await exportedGraphs(build.options.exportReferencesGraph, new Set(inputs), store),
    storeDir: store.storeDir,
    buildDir:
      (isolation === "none" && (await sandbox.unconfinedBuildDir?.(cx.drvPath))) || sandbox.buildDirInside,
    cores: cx.settings.cores,
    impureEnv: cx.ports.impureEnv ?? (() => undefined),
  });
}

/** A builder that is not isolated writes beside what is valid, and beside what is repaired. */
function scratchFor({ drv, known, valid }: ToStart, isolation: Isolation, cx: GoalContext) {
  const isTaken = (path: StorePath) => isolation === "none" && (cx.mode === "repair" || valid.has(path));
  return scratchPaths(cx.ports.store.storeDir, { drvPath: cx.drvPath, drv }, { known, isTaken });
}
