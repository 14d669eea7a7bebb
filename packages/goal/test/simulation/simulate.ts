import { getEventListeners } from "node:events";
// Loaded when they are needed; time stands still meanwhile, so they have to be there.
import "../../src/goals/derivation/build.js";
import "../../src/goals/derivation/build-elsewhere.js";
import "../../src/goals/substitution/path.js";
import type { StorePath } from "@drvkit/drv-parser";
import { type BuildResult, defaultWorkerSettings, type Event, isSuccess, runGoals } from "../../src/index.js";
import { archiveOf, type FakeBuild, pathInfoOf } from "../../src/testing/index.js";
import { checkEvent } from "../support/schema.js";
import { names } from "../support/world.js";
import { checkEvents, isUndisturbed, require } from "./invariants.js";
import { Model } from "./model.js";
import { Random } from "./random.js";
import { makeScenario, type Node, type Scenario } from "./scenario.js";
import { SimulatedHook } from "./simulated-hook.js";

/** What a simulated run did. */
export interface Simulated {
  readonly goals: number;
  readonly builds: number;
  /** Built by a hook. */
  readonly elsewhere: number;
  readonly substituted: number;
  /** Of them, those that came from an evaluation store. */
  readonly copied: number;
  readonly failed: number;
  /** Requests whose end the model knows. */
  readonly decided: number;
  /** Why goals went from stage to stage. */
  readonly reasons: ReadonlySet<string>;
}

/** One run of a graph that the seed decides, on a virtual clock. Throws when something does not hold. */
export async function simulate(seed: number, size: number): Promise<Simulated> {
  const scenario = makeScenario(new Random(seed), size, new Random(seed ^ 0xe7a1));
  const run = new SimulatedRun(scenario, new Random(seed ^ 0x5eed), new Random(seed ^ 0x400c));
  return await run.run();
}

/** Events of a run that are held against their schema. */
const checkedBySchema = 300;

class SimulatedRun {
  readonly #events: Event[] = [];
  readonly #byPath: ReadonlyMap<StorePath, Node>;
  readonly #interrupt = new AbortController();
  #decided = 0;
  /** Timers of the world, not of the goals. */
  #worldTimers = 0;
  /** In some runs. */
  readonly #hook: SimulatedHook | undefined;

  constructor(
    private readonly scenario: Scenario,
    private readonly random: Random,
    hookRandom: Random,
  ) {
    this.#byPath = new Map(scenario.nodes.map((node) => [node.drvPath, node]));
    if (!hookRandom.chance(0.3)) return;
    this.#hook = new SimulatedHook({
      random: hookRandom,
      nodeOf: (drvPath) => this.#byPath.get(drvPath) as Node,
      pause: () => this.#pause(hookRandom),
      after: (ms, callback) => this.#after(ms, callback),
    });
  }

  async run(): Promise<Simulated> {
    const { ports, requests, settings, interruptMs } = this.scenario;
    await this.#prepare();
    ports.sandbox.conduct = (build) => this.#conduct(build);
    if (interruptMs !== undefined) this.#after(interruptMs, () => this.#interrupt.abort());
    const running = runGoals(
      requests.map(({ node, outputs }) => ({ drvPath: node.drvPath, outputs: names(...outputs) })),
      {
        ports: this.#hook === undefined ? ports : { ...ports, buildHook: this.#hook },
        settings: { ...defaultWorkerSettings, ...settings },
        signal: this.#interrupt.signal,
        emit: (event) => this.#events.push(event),
      },
    );
    const { results } = await this.#toTheEnd(running);
    checkEvents(this.#events, this.scenario);
    for (const event of this.#events.slice(0, checkedBySchema)) checkEvent(event);
    this.#checkBuilds();
    await this.#checkResults(results);
    this.#checkNothingIsLeft();
    const count = (type: Event["type"]) => this.#events.filter((event) => event.type === type).length;
    return {
      goals: count("goal-created") + count("substitution-created"),
      builds: ports.sandbox.builds.length,
      elsewhere: this.#hook?.finished.length ?? 0,
      substituted: count("substitution-finished"),
      copied: this.#copied(),
      failed: results.filter((result) => !isSuccess(result)).length,
      decided: this.#decided,
      reasons: new Set(this.#events.flatMap((event) => ("because" in event ? [event.because] : []))),
    };
  }

  /** Each object at most once; the evaluation store stays as it was, and derivations stay there. */
  #copied(): number {
    const { store, evalStore } = this.scenario.ports;
    if (evalStore === undefined) return 0;
    const copied = this.#events.flatMap((event) =>
      event.type === "substitution-finished" && event.uri === evalStore.uri && event.outcome === "substituted"
        ? [event.path]
        : [],
    );
    require(new Set(copied).size === copied.length, "something was copied twice");
    require(evalStore.registrations.length === 0, "something was written to the evaluation store");
    const registered = new Set(store.registrations.flat());
    for (const { drvPath } of this.scenario.nodes) require(!registered.has(drvPath), `${drvPath} was copied`);
    return copied.length;
  }

  /** What is valid from the start, what others hold, and how slow substituters are. */
  async #prepare(): Promise<void> {
    const { ports, nodes } = this.scenario;
    for (const node of nodes) {
      await this.#register(node, node.valid);
      if (node.other !== undefined) await this.#another(node, node.other);
    }
    for (const cache of ports.substituters) {
      const query = cache.queryPathInfo.bind(cache);
      cache.queryPathInfo = async (path) => {
        await this.#pause();
        return query(path);
      };
      cache.beforeArchive = () => this.#pause();
    }
  }

  async #another(node: Node, { untilMs, makesIt }: NonNullable<Node["other"]>): Promise<void> {
    const locks = await this.scenario.ports.store.tryLockOutputs(Object.values(node.outputs));
    this.#after(untilMs, () => {
      const made = makesIt ? this.#register(node, Object.keys(node.outputs)) : Promise.resolve();
      void made.then(() => locks?.[Symbol.asyncDispose]());
    });
  }

  async #register(node: Node, outputs: readonly string[]): Promise<void> {
    const { store, trees } = this.scenario.ports;
    const infos = outputs.map((name) => {
      const [path, tree] = [node.outputs[name] as StorePath, `made by ${node.drvPath}\n`];
      trees.put(store.realPathOf(path), tree);
      return pathInfoOf(path, archiveOf(tree));
    });
    if (infos.length > 0) await store.registerValidPaths(infos);
  }

  #conduct(build: FakeBuild): void {
    const node = this.#byPath.get(build.spec.drvPath);
    require(node !== undefined, `${build.spec.drvPath} is not of this graph`);
    build.write(`building ${build.spec.drvPath}\n`);
    this.#after(node.durationMs, () => {
      if (build.ended) return;
      if (node.fate === "succeeds") build.succeed();
      else if (node.fate === "fails") build.exit(1);
      else build.kill();
    });
  }

  async #pause(random = this.random): Promise<void> {
    if (random.chance(0.5)) await new Promise<void>((resolve) => this.#after(random.below(100), resolve));
  }

  #after(ms: number, callback: () => void): void {
    this.#worldTimers += 1;
    this.scenario.ports.clock.after(ms, () => {
      this.#worldTimers -= 1;
      callback();
    });
  }

  /** Time goes on when nothing happens any more without it. */
  async #toTheEnd<T>(running: Promise<T>): Promise<T> {
    let ended = false;
    const done = running.finally(() => {
      ended = true;
    });
    done.catch(() => undefined);
    const patience = 400 + this.scenario.nodes.length / 20; // goals that are aborted say nothing, and have a turn each
    let stuck = 0;
    for (let seen = -1; !ended; ) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#events.length !== seen) stuck = 0;
      else stuck += 1;
      seen = this.#events.length;
      if (stuck < 4) continue;
      require(stuck < patience, `nothing happens any more (${this.scenario.ports.clock.waiting} timers)`);
      this.scenario.ports.clock.advance(this.scenario.ports.clock.nextInMs ?? 0);
    }
    return await done;
  }

  /** Nothing is built twice; every builder was closed. */
  #checkBuilds(): void {
    const elsewhere = this.#hook?.finished ?? [];
    const finished = new Set(elsewhere);
    require(finished.size === elsewhere.length, "the hook built something twice");
    require((this.#hook?.building ?? 0) === 0, "the hook was left alone");
    for (const { spec, killed, closed, ended } of this.scenario.ports.sandbox.builds) {
      require(ended && closed !== undefined, `the builder of ${spec.drvPath} was left alone`);
      const byFate = this.#byPath.get(spec.drvPath)?.fate === "is killed";
      if (killed && !byFate) continue;
      require(!finished.has(spec.drvPath) ||
        (killed && !isUndisturbed(this.scenario)), `${spec.drvPath} was built twice`);
      finished.add(spec.drvPath);
    }
  }

  async #checkResults(results: readonly BuildResult[]): Promise<void> {
    const model = new Model(this.scenario);
    const undisturbed = isUndisturbed(this.scenario);
    for (const [at, request] of this.scenario.requests.entries()) {
      const result = results[at];
      require(result?.drvPath === request.node.drvPath, `result ${at} is of another derivation`);
      const verdict = model.of(request);
      if (verdict !== "either" && undisturbed) this.#decided += 1;
      if (isSuccess(result)) {
        require(verdict !== "bad", `${request.node.drvPath} is ${result.status}, but must fail`);
        await this.#checkOutputs(request.node, request.outputs, result);
      } else if (undisturbed)
        require(verdict !==
          "good", `${request.node.drvPath} failed (${result.status}): ${"errorMessage" in result ? result.errorMessage : ""}`);
    }
  }

  async #checkOutputs(node: Node, wanted: readonly string[], result: BuildResult): Promise<void> {
    const outputs: ReadonlyMap<string, StorePath> = "outputs" in result ? result.outputs : new Map();
    const paths = wanted.map((name) => node.outputs[name] as StorePath);
    require(wanted.every((name, at) => outputs.get(name) === paths[at]), `${node.drvPath} lacks outputs`);
    const valid = await this.scenario.ports.store.queryValidPaths(paths);
    require(valid.size === new Set(paths).size, `outputs of ${node.drvPath} are not valid`);
  }

  #checkNothingIsLeft(): void {
    const { clock, store, trees } = this.scenario.ports;
    require(clock.waiting === this.#worldTimers, `${clock.waiting - this.#worldTimers} timers are left`);
    const others = new Set(
      this.scenario.nodes.flatMap(({ other, outputs }) =>
        other !== undefined && other.untilMs > clock.monotonicMs() ? Object.values(outputs) : [],
      ),
    );
    for (const path of store.locked) require(others.has(path), `the lock of ${path} is left`);
    const left = trees.paths().filter((path) => path.includes("/tmp-") || path.startsWith("/fake-scratch/"));
    require(left.length === 0, `trees are left: ${left.join(" ")}`);
    const listeners = getEventListeners(this.#interrupt.signal, "abort").length;
    require(listeners === 0, `${listeners} listeners are left`);
  }
}
