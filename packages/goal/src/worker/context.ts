import type { BasicDerivation, ContentAddress, Derivation, StorePath } from "@drvkit/drv-parser";
import type { DrvOutput } from "@drvkit/narinfo";
import type { Event } from "../event.js";
import type { BuildHookPort } from "../ports/build-hook.js";
import type { ClockPort } from "../ports/clock.js";
import type { DiffHookPort } from "../ports/diff-hook.js";
import type { EvalStorePort } from "../ports/eval-store.js";
import type { LogPort } from "../ports/log.js";
import type { PostBuildHookPort } from "../ports/post-build-hook.js";
import type { SandboxPort } from "../ports/sandbox.js";
import type { StorePort } from "../ports/store.js";
import type { SubstituterPort } from "../ports/substituter.js";
import type { TreesPort } from "../ports/trees.js";
import type { BuildResult } from "../result/build-result.js";
import type { RealisationResult } from "../result/realisation-result.js";
import type { SubstitutionResult } from "../result/substitution-result.js";
import type { BuildMode, WorkerSettings } from "../settings.js";
import type { BuildHook } from "./build-hook.js";
import type { Contents } from "./contents.js";
import type { GoalCounters, SubstitutionCounters } from "./counters.js";
import type { DerivationStore } from "./derivation-store.js";
import type { GoalKey } from "./goal-key.js";
import type { Told } from "./goals.js";
import type { Slot } from "./slots.js";
import type { Substituter, Substituters } from "./substituters.js";
import type { OutputSelection, WantedOutputs } from "./wanted.js";

/** What a run needs of the world. */
export interface Ports {
  readonly store: StorePort;
  /** Where derivations are read and their sources come from; the store itself unless given. */
  readonly evalStore?: EvalStorePort;
  readonly trees: TreesPort;
  readonly sandbox: SandboxPort;
  readonly log: LogPort;
  readonly clock: ClockPort;
  /** Where objects may come from; none unless given. */
  readonly substituters?: readonly SubstituterPort[];
  /** Who may build elsewhere; nobody unless given. */
  readonly buildHook?: BuildHookPort;
  /** What is run after each build. */
  readonly postBuildHook?: PostBuildHookPort;
  /** Who is shown outputs that a check found to differ. */
  readonly diffHook?: DiffHookPort;
  /** Values of `impureEnvVars`. */
  readonly impureEnv?: (name: string) => string | undefined;
}

/** An event without its time. */
export type EventBody = Event extends infer Each ? (Each extends Event ? Omit<Each, "atMs"> : never) : never;

/** One input of a derivation that has to be made. */
export interface InputRequest {
  readonly drvPath: StorePath;
  readonly outputs: OutputSelection;
  /** What it is, where the store need not have it. */
  readonly derivation?: BasicDerivation;
}

/** One path that has to be obtained. */
export interface PathRequest {
  readonly path: StorePath;
  /** What it is made of, where that is known: then it may come from a store with other paths. */
  readonly ca?: ContentAddress | undefined;
  /** Obtained even if it is valid; takes the place of what is there. */
  readonly repair?: boolean;
  /** Who is asked for it; substituters unless given. */
  readonly from?: "evalStore";
}

/** What goals wait for. Realisations are those of outputs whose paths are not known. */
export interface Waitees {
  readonly derivations?: readonly InputRequest[];
  readonly paths?: readonly PathRequest[];
  readonly realisations?: readonly DrvOutput[];
  /** How derivations are built; `normal` unless given. */
  readonly mode?: BuildMode;
}

/** What became of it, each in the order given; `undefined` where the waiting ended before. */
export interface WaiteeResults {
  readonly derivations: readonly (BuildResult | undefined)[];
  readonly paths: readonly (SubstitutionResult | undefined)[];
  readonly realisations: readonly (RealisationResult | undefined)[];
}

/** What every goal works with. */
export interface CommonContext {
  readonly key: GoalKey;
  readonly ports: Ports;
  readonly derivationStore: DerivationStore;
  readonly settings: WorkerSettings;
  readonly substituters: Substituters;
  readonly contents: Contents;
  /** Aborts when nobody waits for the goal any more. */
  readonly signal: AbortSignal;
  /** As that of `signal`, for which no signal has to be made. */
  throwIfAborted(): void;
  /** Goes on in the next pass, in key order. Waiting for inputs, for a slot or a while ends with a turn as well. */
  turn(): Promise<void>;
  /** From here on the goal waits for the world only: others have their turn. */
  leaveTurn(): void;
  /** Waits for the world outside of turns, and comes back with one. */
  away<Value>(work: Promise<Value>): Promise<Value>;
  /** Waits for other goals; ends early at the first failure unless all are to go on. */
  waitFor(waitees: Waitees): Promise<WaiteeResults>;
  /** The same without a promise, for goals of which many thousand wait; the goal may have been aborted when it is told. */
  whenEnded(waitees: Waitees, told: Told<WaiteeResults>): void;
  /** Waits for a right to run. */
  slot(): Promise<Slot>;
  /** Whether one could be had at once. */
  readonly isSlotFree: boolean;
  /** One that is free, or nothing. */
  trySlot(): Slot | undefined;
  /** Waits a while, as between two tries for a lock. */
  sleep(ms: number): Promise<void>;
  /** What nobody but the end of the run waits for; it does not fail. */
  afterwards(work: Promise<void>): void;
  emit(event: EventBody): void;
}

/** Everything one derivation goal works with. */
export interface GoalContext extends CommonContext {
  /** Nix's name of the goal, as messages have it. */
  readonly name: string;
  readonly counters: GoalCounters;
  readonly drvPath: StorePath;
  readonly mode: BuildMode;
  readonly buildHook: BuildHook;
  readonly wanted: WantedOutputs;
  /** Whether the derivation is no store object but was handed over. */
  readonly isInMemory: boolean;
  /** The end is decided: who comes from now on gets a goal of its own. */
  close(): void;
  /** The derivation, read again. */
  derivation(): Promise<Derivation>;
}

/** Everything the goal of one substituted path works with. */
export interface SubstitutionContext extends CommonContext {
  readonly counters: SubstitutionCounters;
  readonly path: StorePath;
  readonly ca?: ContentAddress | undefined;
  readonly repair: boolean;
  /** The evaluation store, where it is copied from there and no substituter is asked. */
  readonly copiedFrom: Substituter | undefined;
}

/** Everything the goal of one realisation works with. */
export interface RealisationContext extends CommonContext {
  readonly id: DrvOutput;
}
