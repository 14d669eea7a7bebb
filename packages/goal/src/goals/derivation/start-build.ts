import { type Derivation, derivationOptions, type OutputName, type StorePath } from "@drvkit/drv-parser";
import { GoalError } from "../../error.js";
import { makeBuildSpec } from "../../plan/sandbox-spec.js";
import { isolationOf } from "../../plan/where-to-build.js";
import type { BuildSpec, Isolation, RunningBuild } from "../../ports/sandbox.js";
import type { GoalContext } from "../../worker/context.js";
import { exportedGraphs } from "./exported-graphs.js";
import type { OutputPaths } from "./wanted.js";

/** What a builder is started for. */
interface ToStart {
  readonly drv: Derivation;
  readonly known: OutputPaths;
  readonly scratch: ReadonlyMap<OutputName, StorePath>;
  readonly valid: ReadonlySet<StorePath>;
}

interface Started {
  readonly running: RunningBuild;
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
  const demands = { drvPath: cx.drvPath, drv: build.drv, options: derivationOptions(cx.drvPath, build.drv) };
  const canBeUnconfined = sandbox.unconfinedBuildDir !== undefined;
  const isolation = isolationOf(demands, cx.settings, canBeUnconfined);
  const startAs = async (how: Isolation) => start(await planBuild(build, inputs, how, cx), cx);
  try {
    return await startAs(isolation);
  } catch (error) {
    const isUnavailable =
      error instanceof Error && "code" in error && error.code === "ERR_SANDBOX_UNAVAILABLE";
    if (!isUnavailable || !cx.settings.sandboxFallback || !canBeUnconfined) throw error;
    const text =
      "auto-disabling sandboxing because the prerequisite namespaces are not available and 'sandbox-fallback' is enabled; use '--no-sandbox' or specify 'sandbox = false' setting to silence this warning";
    cx.emit({ type: "message", goal: cx.key, level: "warn", text });
    return await startAs("none");
  }
}

/** A running builder, as soon as a user id is free for it. Row Y3. */
async function start(spec: BuildSpec, cx: GoalContext): Promise<Started> {
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
  build: ToStart,
  inputs: readonly StorePath[],
  isolation: Isolation,
  cx: GoalContext,
): Promise<BuildSpec> {
  const { store, sandbox } = cx.ports;
  const { exportReferencesGraph } = derivationOptions(cx.drvPath, build.drv);
  if (isolation === "none") requireNothingValid(build, cx);
  return makeBuildSpec({
    drvPath: cx.drvPath,
    drv: build.drv,
    isInMemory: cx.isInMemory,
    isolation,
    inputs,
    scratch: build.scratch,
    graphs: await exportedGraphs(exportReferencesGraph, new Set(inputs), store),
    storeDir: store.storeDir,
    buildDir:
      (isolation === "none" && (await sandbox.unconfinedBuildDir?.(cx.drvPath))) || sandbox.buildDirInside,
    cores: cx.settings.cores,
    impureEnv: cx.ports.impureEnv ?? (() => undefined),
  });
}

/** A builder that is not isolated writes where its outputs are in the end, over what is valid there. */
function requireNothingValid({ known, valid }: ToStart, cx: GoalContext): void {
  const inTheWay = [...known.values()].find((path) => path !== undefined && valid.has(path));
  if (inTheWay === undefined) return;
  throw new GoalError(
    "ERR_GOAL_FEATURE",
    `'${cx.drvPath}' cannot be built without a sandbox while '${inTheWay}' is valid`,
    { hint: "build it in the sandbox, or remove what is valid first" },
  );
}
