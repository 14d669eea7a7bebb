import type { OutputName, StorePath } from "@drvkit/drv-parser";
import {
  type BuildMode,
  type BuildResult,
  defaultWorkerSettings,
  type GoalRequest,
  type RunOutcome,
  runGoals,
  type WorkerSettings,
} from "../../src/index.js";
import {
  addRecipe,
  type FakeBuild,
  type MemoryPorts,
  type MemoryStore,
  memoryPorts,
  outputsByName,
  type Recipe,
  type RecordedEvents,
} from "../../src/testing/index.js";

import { recordTraced } from "./trace.js";

export interface RunHow extends Partial<WorkerSettings> {
  readonly mode?: BuildMode;
  readonly signal?: AbortSignal;
}

/** A store, a sandbox and a clock in memory, the events of the runs on them, and short ways to use them. */
export class World {
  readonly events: RecordedEvents = recordTraced();

  constructor(readonly ports: MemoryPorts = memoryPorts()) {}

  /** Where derivations are written. */
  get recipes(): MemoryStore {
    return this.ports.evalStore ?? this.ports.store;
  }

  add(recipe: Recipe): StorePath {
    return addRecipe(this.recipes, recipe);
  }

  outputs(drvPath: StorePath): Readonly<Record<string, StorePath>> {
    return outputsByName(this.recipes, drvPath);
  }

  out(drvPath: StorePath, name = "out"): StorePath {
    return this.outputs(drvPath)[name] as StorePath;
  }

  run(requests: readonly (StorePath | GoalRequest)[], how: RunHow = {}): Promise<RunOutcome> {
    const { mode = "normal", signal = new AbortController().signal, ...settings } = how;
    return runGoals(
      requests.map((request) =>
        typeof request === "string" ? { drvPath: request, outputs: "all" as const } : request,
      ),
      {
        ports: this.ports,
        settings: { ...defaultWorkerSettings, ...settings },
        mode,
        signal,
        emit: this.events.emit,
      },
    );
  }

  /** Runs with builders that all succeed. */
  async realise(requests: readonly (StorePath | GoalRequest)[], how: RunHow = {}): Promise<RunOutcome> {
    this.ports.sandbox.conduct = (build) => build.succeed();
    try {
      return await this.run(requests, how);
    } finally {
      this.ports.sandbox.conduct = undefined;
    }
  }

  /** The next build, which must be the one of `drvPath`. */
  async building(drvPath: StorePath): Promise<FakeBuild> {
    const build = await this.ports.sandbox.nextBuild();
    if (build.spec.drvPath !== drvPath) throw new Error(`${build.spec.drvPath} builds, not ${drvPath}`);
    return build;
  }

  /** Names of derivations in the order in which their builders started. */
  buildOrder(): readonly string[] {
    return this.ports.sandbox.builds.map(({ spec }) => nameOf(spec.drvPath));
  }

  isValid(path: StorePath): Promise<boolean> {
    return this.ports.store.queryPathInfo(path).then((info) => info !== undefined);
  }
}

export function nameOf(drvPath: StorePath): string {
  return drvPath.replace(/^.*\/[^-]*-/u, "").replace(/\.drv$/u, "");
}

/** Statuses of results, in order. */
export function statuses(outcome: RunOutcome): readonly BuildResult["status"][] {
  return outcome.results.map(({ status }) => status);
}

/** The failure of a result. */
export function failureOf(result: BuildResult | undefined): Extract<BuildResult, { errorMessage: string }> {
  if (result === undefined || !("errorMessage" in result)) throw new Error("the result is no failure");
  return result;
}

export function outputsOf(result: BuildResult | undefined): Readonly<Record<string, StorePath>> {
  if (result === undefined || !("outputs" in result)) throw new Error("the result is a failure");
  return Object.fromEntries(result.outputs);
}

/** Names of outputs, unchecked: for requests of tests. */
export function names(...outputs: string[]): ReadonlySet<OutputName> {
  return new Set(outputs as OutputName[]);
}

/** Why the goal of this derivation went from stage to stage. */
export const because = (world: World, drvPath: string) =>
  world.events.of("goal-stage").flatMap(({ goal, because }) => (goal.endsWith(drvPath) ? [because] : []));

/** A library and what is built from it, which refers to it. */
export function addLibrary(world: World) {
  const lib = world.add({ name: "lib" });
  const app = world.add({ name: "app", inputs: [lib] });
  world.ports.sandbox.conduct = (build) => {
    for (const output of build.spec.outputs)
      build.put(output, build.spec.drvPath === app ? `uses ${world.out(lib)}` : "lib");
    build.exit(0);
  };
  return { lib, app };
}

/** Everything that is ready now has been done. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
