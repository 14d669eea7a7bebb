import { resolve } from "node:path";
import {
  type AuthoredDerivation,
  type BasicDerivation,
  type DerivedPath,
  makeStoreDir,
  type Source,
  type StorePath,
} from "@drvkit/drv-parser";
import type {
  BuildHookPort,
  BuildMode,
  BuildResult,
  DiffHookPort,
  Event,
  Missing,
  PostBuildHookPort,
  SubstituterPort,
} from "@drvkit/goal";
import { type LmdbStore, openStore } from "@drvkit/store-lmdb";
import type { Build } from "./build.js";
import { OpenEngine } from "./open-engine.js";
import { openEvalStore } from "./open-eval-store.js";
import { buildsPlacesOf } from "./sandbox/builds-places.js";
import { sandboxWarnings } from "./sandbox/check-settings.js";
import { sweepDeadBuilds } from "./sandbox/leftovers.js";
import { loadSettings } from "./settings/load.js";
import type { Settings } from "./settings/table.js";
import type { SourceOptions } from "./source/add-source.js";
import { resolveStoreRoot } from "./store-root.js";
import type { BuildTarget } from "./targets.js";

/** How an engine is opened. */
export interface EngineOptions {
  /** Folder of the store; the default is `$DRVKIT_HOME`, `$XDG_DATA_HOME/drvkit`, root: `/var/lib/drvkit`. */
  readonly store?: string;
  /**
   * Folder of the store that derivations and their sources are written to and read from; what is built lands in `store` all the
   * same, and of the sources what it takes. The default is `store`. One that may not be written is read.
   */
  readonly evalStore?: string;
  /**
   * Directory that store paths begin with. Default: `/nix/store`. Where objects really are is `nix/store` in the folder of
   * `store`: when that is the same, builds without a sandbox are possible.
   */
  readonly storeDir?: string;
  /** Settings by name that win over the configuration files, values as in a file: `{ "max-jobs": "2" }`. */
  readonly settings?: Readonly<Record<string, string>> | Iterable<readonly [name: string, value: string]>;
  /** Queries only; the store must exist. */
  readonly readOnly?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  /** Stores that offer objects: plain objects. What they say is checked; see the settings `trusted-public-keys` and `require-sigs`. */
  readonly substituters?: readonly SubstituterPort[];
  /** Who may build elsewhere: a plain object. Takes the place of the program that the setting `build-hook` names. */
  readonly buildHook?: BuildHookPort;
  /** What is done after each build: a plain object. Takes the place of the program that the setting `post-build-hook` names. */
  readonly postBuildHook?: PostBuildHookPort;
  /** Who is shown outputs that a check found to differ: a plain object. Takes the place of the program that the setting `diff-hook` names. */
  readonly diffHook?: DiffHookPort;
  /** Told each of {@link Engine.warnings} when it comes. */
  readonly onWarning?: (message: string) => void;
}

/** How one build is run. */
export interface BuildOptions {
  readonly signal?: AbortSignal;
  /** `check` builds valid outputs again and compares; `repair` replaces what is not any more what was registered. */
  readonly mode?: BuildMode;
  /** Path of a symlink to the first result, further ones get suffixes; a GC root. */
  readonly root?: string;
}

/** How to ask what is missing. */
export interface QueryMissingOptions {
  readonly signal?: AbortSignal;
  /** Told what substituters do wrong. */
  readonly onWarning?: (text: string) => void;
}

/** How one path is repaired. */
export interface RepairOptions {
  readonly signal?: AbortSignal;
  /** Told what goes on, as the reader of a build is. */
  readonly onEvent?: (event: Event) => void;
}

/** How a derivation that is handed over is built. */
export interface BuildDerivationOptions extends RepairOptions {
  readonly mode?: BuildMode;
}

/** An open engine: one store, one set of settings. */
export interface Engine extends AsyncDisposable {
  readonly store: LmdbStore;
  /** Where derivations are, and what else is written before a build; `store` unless the options name another one. */
  readonly evalStore: LmdbStore;
  readonly settings: Settings;
  /**
   * What stops nothing, so far: settings that are not known, what a killed build left and could not be removed, a cache that cannot be
   * used.
   */
  readonly warnings: readonly string[];
  /** Builds the targets; see {@link Build}. */
  build(targets: readonly BuildTarget[], options?: BuildOptions): Build;
  /**
   * What it would take to make the targets valid. Derivations that are targets are put into `evalStore` as `build` does; nothing else
   * is changed.
   *
   * @throws the errors of `resolve`; `ERR_GOAL_UNKNOWN_OUTPUT`.
   */
  queryMissing(targets: readonly BuildTarget[], options?: QueryMissingOptions): Promise<Missing>;
  /**
   * Makes one path valid, from the substituters if it is not.
   *
   * @throws `ERR_GOAL_PATH` when nobody has it.
   */
  ensurePath(path: StorePath, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Builds all outputs of a derivation that is handed over: the store need not have it, only its sources. What goes wrong is the
   * result. Whoever takes derivations from others decides first whom to trust: an input-addressed one can claim any path.
   *
   * @throws `ERR_GOAL_ATTRIBUTE` for one that has input derivations.
   */
  buildDerivation(
    drvPath: StorePath,
    derivation: BasicDerivation,
    options?: BuildDerivationOptions,
  ): Promise<BuildResult>;
  /**
   * Whether the files of a valid path are what was registered.
   *
   * @throws `ERR_STORE_NOT_VALID`.
   */
  isPathGood(path: StorePath, options?: { readonly signal?: AbortSignal }): Promise<boolean>;
  /**
   * Obtains a valid path anew, or builds it again; what is there is replaced in one step.
   *
   * @throws `ERR_STORE_NOT_VALID`; `ERR_GOAL_REPAIR` when nobody has it and it cannot be built.
   */
  repairPath(path: StorePath, options?: RepairOptions): Promise<void>;
  /** Makes a `.drv` file outside the store, and its closure beside it, valid in `evalStore`. */
  importDerivation(file: string): Promise<StorePath>;
  /** Writes an authored derivation and its inputs into `evalStore`; its path. */
  instantiate(authored: AuthoredDerivation): Promise<StorePath>;
  /** Adds a file or folder of this machine, as it is now, to `evalStore`, for use in derivations; see {@link SourceOptions}. */
  source(path: string, options?: SourceOptions): Promise<Source>;
  /** The derived path a target stands for; imports a `.drv` file. */
  resolve(target: BuildTarget): Promise<DerivedPath>;
  /** Cancels what runs, waits for its end, closes the store. */
  close(): Promise<void>;
}

/**
 * Opens a store, reads the settings and wires the goals to the sandbox.
 *
 * @example
 * await using engine = await openEngine({ store: "./.drvkit" });
 * const { results } = await engine.build(["./hello.drv"]).result;
 *
 * @throws EngineSetupError `ERR_SETTING`, `ERR_CONFIG_SYNTAX`, `ERR_STORE_UNWRITABLE`; the errors of `openStore`.
 */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  const env = options.env ?? process.env;
  const readOnly = options.readOnly ?? false;
  const warnings: string[] = [];
  const warn = (message: string) => {
    warnings.push(message);
    options.onWarning?.(message);
  };
  const loaded = await loadSettings(env, overrides(options.settings));
  loaded.warnings.forEach(warn);
  if (
    loaded.settings.builders !== "" &&
    loaded.settings["build-hook"] === "" &&
    options.buildHook === undefined
  )
    warn("setting 'builders' has no effect: there is no build hook that would use it");
  sandboxWarnings(loaded.settings).forEach(warn);
  const root = resolveStoreRoot(options.store, env, readOnly);
  const storeDir =
    options.storeDir === undefined ? {} : { storeDir: makeStoreDir(resolve(options.storeDir)) };
  const syncPaths = loaded.settings["fsync-store-paths"];
  const store = await openStore({ root, ...storeDir, readOnly, syncPaths, onWarning: warn });
  let evalStore = store;
  try {
    if (options.evalStore !== undefined)
      evalStore = await openEvalStore(options.evalStore, store, { readOnly, onWarning: warn });
    if (!readOnly) {
      (await sweepDeadBuilds(buildsPlacesOf(store, loaded.settings))).forEach(warn);
    }
    return new OpenEngine({
      store,
      evalStore,
      settings: loaded.settings,
      warnings,
      env,
      substituters: options.substituters ?? [],
      hooks: {
        buildHook: options.buildHook,
        postBuildHook: options.postBuildHook,
        diffHook: options.diffHook,
      },
    });
  } catch (error) {
    if (evalStore !== store) await evalStore.close();
    await store.close();
    throw error;
  }
}

function overrides(settings: EngineOptions["settings"]): Iterable<readonly [string, string]> {
  if (settings === undefined) return [];
  return Symbol.iterator in settings ? settings : Object.entries(settings);
}
