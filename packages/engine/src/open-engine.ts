import type { AuthoredDerivation, BasicDerivation, DerivedPath, StorePath } from "@drvkit/drv-parser";
import { Source } from "@drvkit/drv-parser";
import {
  type BuildResult,
  buildDerivation,
  type Event,
  ensurePath,
  isPathGood,
  type Missing,
  queryMissing,
  repairPath,
  type SubstituterPort,
} from "@drvkit/goal";
import type { LmdbStore } from "@drvkit/store-lmdb";
import { type Build, type BuildOutcome, EventQueue } from "./build.js";
import { builtTrace } from "./built-trace.js";
import { composePorts, evalStorePort } from "./compose.js";
import type {
  BuildDerivationOptions,
  BuildOptions,
  Engine,
  QueryMissingOptions,
  RepairOptions,
} from "./engine.js";
import { EngineSetupError } from "./error.js";
import { type GivenHooks, Hooks } from "./hooks/compose-hooks.js";
import { importClosure } from "./import-closure.js";
import { instantiate } from "./instantiate.js";
import { checkSandboxSettings } from "./sandbox/check-settings.js";
import type { Settings } from "./settings/table.js";
import type { SourceOptions } from "./source/add-source.js";
import { type BuildTarget, resolveTarget, resolveTargets } from "./targets.js";
import { workerSettings } from "./worker-settings.js";
import { Workers } from "./workers.js";

/** What an engine is made of. */
export interface EngineParts {
  readonly store: LmdbStore;
  readonly evalStore: LmdbStore;
  readonly settings: Settings;
  readonly warnings: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly substituters: readonly SubstituterPort[];
  readonly hooks: GivenHooks;
}

/** An {@link Engine} on a store that is open; closing it closes the store. */
export class OpenEngine implements Engine {
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #ports;
  readonly #workers: Workers;
  readonly #hooks: Hooks;
  readonly #trace: ReturnType<typeof builtTrace>;

  readonly store: LmdbStore;
  readonly evalStore: LmdbStore;
  readonly settings: Settings;
  readonly warnings: readonly string[];

  constructor({ store, evalStore, settings, warnings, env, substituters, hooks }: EngineParts) {
    this.store = store;
    this.evalStore = evalStore;
    this.settings = settings;
    this.warnings = warnings;
    this.#trace = builtTrace(env);
    this.#hooks = new Hooks(settings, env, hooks);
    this.#ports = {
      ...composePorts(store, settings, env),
      ...(evalStore === store ? {} : { evalStore: evalStorePort(evalStore) }),
      ...this.#hooks.ports,
      substituters,
    };
    this.#workers = new Workers(() => this.#world());
  }

  build(targets: readonly BuildTarget[], options: BuildOptions = {}): Build {
    if (this.#closing.signal.aborted) throw new EngineSetupError("ERR_ENGINE_CLOSED", "the engine is closed");
    const queue = new EventQueue();
    const result = this.#track(this.#run(targets, options, queue).finally(() => queue.end()));
    result.catch(() => undefined); // a caller that reads only events must not crash the process
    return { result, [Symbol.asyncIterator]: () => queue[Symbol.asyncIterator]() };
  }

  async #run(
    targets: readonly BuildTarget[],
    options: BuildOptions,
    queue: EventQueue,
  ): Promise<BuildOutcome> {
    const signal = this.#signal(options.signal);
    const requests = await resolveTargets(this, targets, signal);
    const { root } = options;
    if (root !== undefined) await (await outLinks()).checkLinks(this, root, requests);
    const outcome = await this.#logged(
      (event) => queue.push(event),
      (emit) => this.#workers.run(options.mode ?? "normal", requests.map(toGoal), { signal, emit }),
    );
    const problems = root === undefined ? [] : await this.#link(root, outcome.results);
    return { ...outcome, problems, exitStatus: outcome.exitStatus || (problems.length > 0 ? 1 : 0) };
  }

  queryMissing(targets: readonly BuildTarget[], options: QueryMissingOptions = {}): Promise<Missing> {
    const signal = this.#signal(options.signal);
    const query = async () =>
      queryMissing((await resolveTargets(this, targets, signal)).map(toGoal), {
        ...this.#world(),
        ...options,
        signal,
      });
    return this.#track(query());
  }

  async ensurePath(path: StorePath, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#track(ensurePath(path, { ...this.#world(), signal: this.#signal(options.signal) }));
  }

  async buildDerivation(
    drvPath: StorePath,
    derivation: BasicDerivation,
    { signal, onEvent = () => undefined, mode = "normal" }: BuildDerivationOptions = {},
  ): Promise<BuildResult> {
    const how = { ...this.#world(), mode, signal: this.#signal(signal) };
    return await this.#track(
      this.#logged(onEvent, (emit) => buildDerivation(drvPath, derivation, { ...how, emit })),
    );
  }

  isPathGood(path: StorePath, options: { readonly signal?: AbortSignal } = {}): Promise<boolean> {
    return this.#track(isPathGood(path, { ports: this.#ports, signal: this.#signal(options.signal) }));
  }

  async repairPath(
    path: StorePath,
    { signal, onEvent = () => undefined }: RepairOptions = {},
  ): Promise<void> {
    const how = { ...this.#world(), signal: this.#signal(signal), emit: onEvent };
    await this.#track(repairPath(path, how));
  }

  importDerivation(file: string): Promise<StorePath> {
    return importClosure(this.evalStore, file);
  }

  instantiate(authored: AuthoredDerivation): Promise<StorePath> {
    return instantiate(this.evalStore, authored);
  }

  async source(path: string, options: SourceOptions = {}): Promise<Source> {
    const added = this.#track(
      import("./source/add-source.js").then(({ addSource }) =>
        addSource(this.evalStore, path, { ...options, signal: this.#signal(options.signal) }),
      ),
    );
    return new Source((await added).path);
  }

  resolve(target: BuildTarget): Promise<DerivedPath> {
    return resolveTarget(this, target);
  }

  async close(): Promise<void> {
    this.#closing.abort(new EngineSetupError("ERR_ENGINE_CLOSED", "the engine is closed"));
    await Promise.allSettled(this.#running);
    await this.#hooks.close();
    await this.#ports.sandbox.close();
    if (this.evalStore !== this.store) await this.evalStore.close();
    await this.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs what emits events, which are told to those who keep them in files, too. */
  async #logged<T>(
    tell: (event: Event) => void,
    run: (emit: (event: Event) => void) => Promise<T>,
  ): Promise<T> {
    const traced = (event: Event) => {
      this.#trace?.(event);
      tell(event);
    };
    const path = this.settings["json-log-path"];
    if (path === "") return await run(traced);
    return await (await import("./json-log.js")).withJsonLog(path, traced, run);
  }

  /** What goals work with. Settings may be wrong: only who builds or asks is told. */
  #world() {
    checkSandboxSettings(this.settings, this.store.storeDir);
    return { ports: this.#ports, settings: workerSettings(this.settings) };
  }

  async #link(root: string, results: readonly BuildResult[]): Promise<readonly Error[]> {
    try {
      await (await outLinks()).linkResults(this.store, root, results);
      return [];
    } catch (error) {
      return [error instanceof Error ? error : new Error(String(error))];
    }
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, signal]);
  }

  /** Closing waits for it. */
  #track<T>(work: Promise<T>): Promise<T> {
    const tracked = work.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    return tracked;
  }
}

/** Loaded with the first that asks for a link. */
function outLinks() {
  return import("./out-link.js");
}

function toGoal(derived: DerivedPath) {
  return derived.type === "opaque"
    ? { path: derived.path }
    : { drvPath: derived.drvPath, outputs: derived.outputs };
}
