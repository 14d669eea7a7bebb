import type { BuildHookPort, DiffHookPort, PostBuildHookPort } from "@drvkit/goal";
import type { ProcessHook } from "@drvkit/goal/hook";
import type { Settings } from "../settings/table.js";

/** Hooks that are given as objects; each takes the place of the program that the settings name. */
export interface GivenHooks {
  readonly buildHook?: BuildHookPort | undefined;
  readonly postBuildHook?: PostBuildHookPort | undefined;
  readonly diffHook?: DiffHookPort | undefined;
}

/** The hooks of an engine: what is given, else the programs of the settings, loaded with the first build that asks. */
export class Hooks {
  readonly ports: {
    readonly buildHook?: BuildHookPort;
    readonly postBuildHook?: PostBuildHookPort;
    readonly diffHook?: DiffHookPort;
  };
  #loaded: Promise<ProcessHook> | undefined;

  constructor(settings: Settings, env: NodeJS.ProcessEnv, given: GivenHooks) {
    const load = async () => (await import("./build-hook.js")).makeBuildHook(settings, env);
    const buildHook: BuildHookPort = {
      ask: async (question, options) => {
        this.#loaded ??= load();
        return (await this.#loaded).ask(question, options);
      },
    };
    const program = settings["post-build-hook"];
    const postBuildHook: PostBuildHookPort = {
      program,
      run: async (built, options) =>
        (await import("./post-build-hook.js")).makePostBuildHook(settings, env).run(built, options),
    };
    const build = given.buildHook ?? (settings["build-hook"] === "" ? undefined : buildHook);
    const diffHook: DiffHookPort = {
      run: async (differing, options) =>
        (await import("./diff-hook.js")).makeDiffHook(settings["diff-hook"], env).run(differing, options),
    };
    const shows = settings["run-diff-hook"] && settings["diff-hook"] !== "";
    const diff = given.diffHook ?? (shows ? diffHook : undefined);
    const after = given.postBuildHook ?? (program === "" ? undefined : postBuildHook);
    this.ports = {
      ...(build === undefined ? {} : { buildHook: build }),
      ...(after === undefined ? {} : { postBuildHook: after }),
      ...(diff === undefined ? {} : { diffHook: diff }),
    };
  }

  /** When nothing builds any more. */
  async close(): Promise<void> {
    await (await this.#loaded)?.close();
  }
}
