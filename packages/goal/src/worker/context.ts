import type { Derivation, StorePath } from "@drvkit/drv-parser";
import type { Event } from "../event.js";
import type { ClockPort } from "../ports/clock.js";
import type { LogPort } from "../ports/log.js";
import type { SandboxPort } from "../ports/sandbox.js";
import type { StorePort } from "../ports/store.js";
import type { TreesPort } from "../ports/trees.js";
import type { BuildResult } from "../result/build-result.js";
import type { BuildMode, WorkerSettings } from "../settings.js";
import type { Counters } from "./counters.js";
import type { GoalKey } from "./goal-key.js";
import type { Slot } from "./slots.js";
import type { OutputSelection, WantedOutputs } from "./wanted.js";

/** What a run needs of the world. */
export interface Ports {
  readonly store: StorePort;
  readonly trees: TreesPort;
  readonly sandbox: SandboxPort;
  readonly log: LogPort;
  readonly clock: ClockPort;
  /** Values of `impureEnvVars`. */
  readonly impureEnv?: (name: string) => string | undefined;
}

/** An event without its time. */
export type EventBody = Event extends infer Each ? (Each extends Event ? Omit<Each, "atMs"> : never) : never;

/** One input of a derivation that has to be made. */
export interface InputRequest {
  readonly drvPath: StorePath;
  readonly outputs: OutputSelection;
}

/** Everything one derivation goal works with. */
export interface GoalContext {
  readonly key: GoalKey;
  /** Nix's name of the goal, as messages have it. */
  readonly name: string;
  readonly drvPath: StorePath;
  readonly mode: BuildMode;
  readonly wanted: WantedOutputs;
  readonly ports: Ports;
  readonly settings: WorkerSettings;
  readonly signal: AbortSignal;
  readonly counters: Counters;
  /** Goes on in the next pass, in key order. Waiting for inputs, for a slot or a while ends with a turn as well. */
  turn(): Promise<void>;
  /** From here on the goal waits for the world only: others have their turn. */
  leaveTurn(): void;
  /** The derivation, read again. */
  derivation(): Promise<Derivation>;
  /** Waits for inputs; ends early at the first failure unless all are to go on. Results in the order given, as far as there are any. */
  realise(inputs: readonly InputRequest[]): Promise<readonly (BuildResult | undefined)[]>;
  /** Waits for a right to build. */
  slot(): Promise<Slot>;
  /** Waits a while, as between two tries for a lock. */
  sleep(ms: number): Promise<void>;
  emit(event: EventBody): void;
}
