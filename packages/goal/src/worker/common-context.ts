import type { Event } from "../event.js";
import type { WorkerSettings } from "../settings.js";
import type { Audience } from "./audience.js";
import type { BuildHook } from "./build-hook.js";
import type { Cancellation } from "./cancellation.js";
import type { Contents } from "./contents.js";
import type { CommonContext, EventBody, Ports, WaiteeResults, Waitees } from "./context.js";
import type { DerivationStore } from "./derivation-store.js";
import { type GoalKey, makeDerivationGoalKey, makePathGoalKey, makeRealisationGoalKey } from "./goal-key.js";
import type { Told } from "./goals.js";
import type { Passes } from "./passes.js";
import type { Slot, SlotChange, Slots } from "./slots.js";
import type { Substituters } from "./substituters.js";

/** The kinds of rights to run. */
export type SlotPool = Extract<Event, { readonly type: "slot" }>["pool"];

/** What all goals of a worker share. */
export interface WorkerParts {
  readonly ports: Ports;
  readonly derivationStore: DerivationStore;
  readonly settings: WorkerSettings;
  readonly substituters: Substituters;
  readonly contents: Contents;
  readonly buildHook: BuildHook;
  readonly passes: Passes;
  readonly slots: Readonly<Record<SlotPool, Slots>>;
  afterwards(work: Promise<void>): void;
  /** The goal is told with a turn. */
  waitFor(waitees: Waitees, goal: GoalIdentity, told: Told<WaiteeResults>): void;
}

/** Whose context it is. */
export interface GoalIdentity {
  readonly key: GoalKey;
  readonly cancellation: Cancellation;
  readonly audience: Audience;
}

/** What a goal does with the worker, the same for every kind. Small: there is one for each of many thousand goals. */
export class GoalCommon<Identity extends GoalIdentity = GoalIdentity> implements CommonContext {
  constructor(
    private readonly parts: WorkerParts,
    protected readonly goal: Identity,
  ) {}

  get key(): GoalKey {
    return this.goal.key;
  }

  protected get pool(): SlotPool {
    return "substitution";
  }

  get ports(): Ports {
    return this.parts.ports;
  }

  get derivationStore(): DerivationStore {
    return this.parts.derivationStore;
  }

  get settings(): WorkerSettings {
    return this.parts.settings;
  }

  get substituters(): Substituters {
    return this.parts.substituters;
  }

  get contents(): Contents {
    return this.parts.contents;
  }

  get buildHook(): BuildHook {
    return this.parts.buildHook;
  }

  get signal(): AbortSignal {
    return this.goal.cancellation.signal;
  }

  throwIfAborted(): void {
    this.goal.cancellation.throwIfAborted();
  }

  emit(body: EventBody): void {
    this.goal.audience.emit(body);
  }

  afterwards(work: Promise<void>): void {
    this.parts.afterwards(work);
  }

  close(): void {
    this.goal.cancellation.end();
  }

  turn(): Promise<void> {
    return this.parts.passes.turn(this.key);
  }

  leaveTurn(): void {
    this.parts.passes.leave(this.key);
  }

  async away<Value>(waiting: Promise<Value>): Promise<Value> {
    this.leaveTurn();
    const value = await waiting;
    await this.turn();
    return value;
  }

  async waitFor(waitees: Waitees): Promise<WaiteeResults> {
    const results = await new Promise<WaiteeResults>((done, failed) =>
      this.whenEnded(waitees, { done, failed }),
    );
    this.throwIfAborted();
    return results;
  }

  whenEnded(waitees: Waitees, told: Told<WaiteeResults>): void {
    const keys = keysOf(waitees);
    if (keys.length === 0) {
      told.done({ derivations: [], paths: [], realisations: [] });
      return;
    }
    this.emit({ type: "goal-waits", goal: this.key, for: keys });
    this.parts.waitFor(waitees, this.goal, told);
    this.leaveTurn();
  }

  async slot(): Promise<Slot> {
    const { slots } = this.parts;
    const slot = await this.away(slots[this.pool].acquire(this.key, this.signal, this.#slotChanged()));
    if (this.signal.aborted) slot[Symbol.dispose]();
    this.throwIfAborted();
    return slot;
  }

  get isSlotFree(): boolean {
    return this.parts.slots[this.pool].isFree;
  }

  trySlot(): Slot | undefined {
    return this.parts.slots[this.pool].tryAcquire(this.#slotChanged());
  }

  #slotChanged(): (change: SlotChange) => void {
    return (change) => this.emit({ type: "slot", goal: this.key, pool: this.pool, change });
  }

  async sleep(ms: number): Promise<void> {
    await this.away(sleep(ms, this.ports, this.signal));
    this.throwIfAborted();
  }
}

function keysOf({ derivations = [], paths = [], realisations = [], mode }: Waitees): readonly GoalKey[] {
  return [
    ...derivations.map(({ drvPath }) => makeDerivationGoalKey(drvPath, mode)),
    ...paths.map(makePathGoalKey),
    ...realisations.map(makeRealisationGoalKey),
  ];
}

function sleep(ms: number, ports: Ports, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = ports.clock.after(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
