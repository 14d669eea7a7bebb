import type { Level } from "../event.js";
import { levelNumber } from "./levels.js";
import type { ActivityMessage, LogField, LogMessage } from "./messages.js";

/** Nix's numbers of activities. @see Nix: src/libutil/logging.hh, `ActivityType` */
export const activityTypes = {
  copyPath: 100n,
  fileTransfer: 101n,
  realise: 102n,
  copyPaths: 103n,
  builds: 104n,
  build: 105n,
  substitute: 108n,
  postBuildHook: 110n,
  buildWaiting: 111n,
} as const;

type ActivityType = keyof typeof activityTypes;

/** Nix's numbers of results. @see Nix: src/libutil/logging.hh, `ResultType` */
export const resultTypes = {
  buildLogLine: 101n,
  setPhase: 104n,
  progress: 105n,
  setExpected: 106n,
  postBuildLogLine: 107n,
} as const;

/** Ids of the activities that one process tells of: its own id, then a counter. @see Nix: src/libutil/logging.cc, `nextId` */
export class ActivityIds {
  #next: bigint;

  constructor(processId: number) {
    this.#next = BigInt(processId) << 32n;
  }

  next(): bigint {
    const id = this.#next;
    this.#next += 1n;
    return id;
  }
}

/** An activity that has begun. */
export class Activity {
  constructor(readonly start: Extract<LogMessage, { readonly action: "start" }>) {}

  result(type: keyof typeof resultTypes, ...fields: readonly LogField[]): LogMessage {
    return { action: "result", id: this.start.id, type: resultTypes[type], fields };
  }

  /** How many activities of this type are expected, or how many bytes of it. */
  expected(type: ActivityType, amount: number): LogMessage {
    return this.result("setExpected", activityTypes[type], BigInt(amount));
  }

  stop(): LogMessage {
    return { action: "stop", id: this.start.id };
  }
}

/** What an activity says of itself at its beginning. */
interface Said {
  readonly level?: Level;
  readonly text?: string;
  readonly fields?: readonly LogField[];
}

export function beginActivity(
  ids: ActivityIds,
  type: ActivityType,
  { level = "error", text = "", fields = [] }: Said = {},
): Activity {
  const start = { action: "start", id: ids.next(), level: levelNumber(level) } as const;
  return new Activity({ ...start, type: activityTypes[type], text, fields });
}

/** Activities that somebody else tells of, under ids of ours: a teller may say any id, and two may say the same. */
export class ToldActivities {
  readonly #open = new Map<bigint, bigint>();

  constructor(private readonly ids: ActivityIds) {}

  /** Nothing of an id that it has not begun. */
  tell(message: ActivityMessage): readonly LogMessage[] {
    if (message.action === "start") {
      const { parent: _, ...start } = message;
      const before = this.#stop(message.id);
      const id = this.ids.next();
      this.#open.set(message.id, id);
      return [...before, { ...start, id }];
    }
    if (message.action === "stop") return this.#stop(message.id);
    const id = this.#open.get(message.id);
    return id === undefined ? [] : [{ ...message, id }];
  }

  /** The last one that began ends first. */
  stopAll(): readonly LogMessage[] {
    return [...this.#open.keys()].reverse().flatMap((told) => this.#stop(told));
  }

  #stop(told: bigint): readonly LogMessage[] {
    const id = this.#open.get(told);
    this.#open.delete(told);
    return id === undefined ? [] : [{ action: "stop", id }];
  }
}
