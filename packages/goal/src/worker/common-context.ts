import type { Event } from "../event.js";
import type { WorkerSettings } from "../settings.js";
import type { Audience } from "./audience.js";
import type { Contents } from "./contents.js";
import type { CommonContext, EventBody, Ports, WaiteeResults, Waitees } from "./context.js";
import { type GoalKey, makeDerivationGoalKey, makePathGoalKey, makeRealisationGoalKey } from "./goal-key.js";
import type { Passes } from "./passes.js";
import type { SlotChange, Slots } from "./slots.js";
import type { Substituters } from "./substituters.js";

/** The kinds of rights to run. */
export type SlotPool = Extract<Event, { readonly type: "slot" }>["pool"];

/** What all goals of a worker share. */
export interface WorkerParts {
  readonly ports: Ports;
  readonly settings: WorkerSettings;
  readonly substituters: Substituters;
  readonly contents: Contents;
  readonly passes: Passes;
  readonly slots: Readonly<Record<SlotPool, Slots>>;
  waitFor(waitees: Waitees, signal: AbortSignal, audience: Audience): Promise<WaiteeResults>;
}

/** What a goal does with the worker, the same for every kind. */
export function makeCommonContext(
  parts: WorkerParts,
  { key, signal, audience }: Pick<CommonContext, "key" | "signal"> & { readonly audience: Audience },
  pool: SlotPool,
): CommonContext {
  const { ports, settings, substituters, contents, passes } = parts;
  const emit = (body: EventBody) => audience.emit(body);
  const slotChanged = (change: SlotChange) => emit({ type: "slot", goal: key, pool, change });
  /** Waits outside of turns and comes back with one. */
  const away = async <Value>(waiting: Promise<Value>): Promise<Value> => {
    passes.leave(key);
    const value = await waiting;
    await passes.turn(key);
    return value;
  };
  return {
    key,
    signal,
    ports,
    settings,
    substituters,
    contents,
    emit,
    turn: () => passes.turn(key),
    leaveTurn: () => passes.leave(key),
    away,
    waitFor: async (waitees) => {
      const keys = keysOf(waitees);
      if (keys.length === 0) return { derivations: [], paths: [], realisations: [] };
      emit({ type: "goal-waits", goal: key, for: keys });
      const results = await away(parts.waitFor(waitees, signal, audience));
      signal.throwIfAborted();
      return results;
    },
    slot: async () => {
      const slot = await away(parts.slots[pool].acquire(key, signal, slotChanged));
      if (signal.aborted) slot[Symbol.dispose]();
      signal.throwIfAborted();
      return slot;
    },
    sleep: async (ms) => {
      await away(sleep(ms, ports, signal));
      signal.throwIfAborted();
    },
  };
}

function keysOf({ derivations = [], paths = [], realisations = [] }: Waitees): readonly GoalKey[] {
  return [
    ...derivations.map(({ drvPath }) => makeDerivationGoalKey(drvPath)),
    ...paths.map(({ path }) => makePathGoalKey(path)),
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
