import type { StorePath } from "@drvkit/drv-parser";
import type { Event } from "../event.js";
import { type Activity, type ActivityIds, beginActivity, ToldActivities } from "./activities.js";
import type { LogMessage } from "./messages.js";

type EventOf<Type extends Event["type"]> = Extract<Event, { readonly type: Type }>;
type Messages = readonly LogMessage[];

/** What a goal can be at; one of each at a time. The order is that in which they end with the goal. */
const places = ["hook", "waiting", "copy", "substitution", "work"] as const;
type Place = (typeof places)[number];

/**
 * The activities of one goal.
 *
 * @see Nix: src/libstore/build/derivation-goal.hh, `act`, `actLock`, `builderActivities`
 */
export class GoalActivities {
  readonly #open = new Map<Place, Activity>();
  readonly #told: ToldActivities;

  constructor(private readonly ids: ActivityIds) {
    this.#told = new ToldActivities(ids);
  }

  tell(event: Event): Messages {
    switch (event.type) {
      case "build-started":
        return [...this.#stop("waiting"), ...this.#begin("work", building(event, this.ids))];
      case "build-line":
        return this.#result("work", "buildLogLine", event.line);
      case "build-phase":
        return this.#result("work", "setPhase", event.phase);
      case "activity":
        return this.#told.tell(event.message);
      case "derivation-resolved":
        return this.#begin("work", resolved(event, this.ids));
      case "waiting-for-lock":
        return this.#wait(`waiting for lock on ${quoted(event.outputs)}`);
      case "waiting-for-machine":
        return this.#wait(`waiting for a machine to build '${event.drvPath}'`);
      case "post-build-hook-started":
        return this.#begin("hook", hook(event, this.ids));
      case "post-build-hook-line":
        return this.#result("hook", "postBuildLogLine", event.line);
      case "post-build-hook-finished":
        return this.#stop("hook");
      case "substitution-started":
        return [
          ...this.#begin("substitution", substituting(event, this.ids)),
          ...this.#begin("copy", copying(event, this.ids)),
        ];
      case "substitution-finished":
        return [...this.#stop("copy"), ...this.#stop("substitution")];
      default:
        return [];
    }
  }

  /** The goal has ended, or the run has. */
  stopAll(): Messages {
    return [...this.#told.stopAll(), ...places.flatMap((place) => this.#stop(place))];
  }

  #wait(text: string): Messages {
    return this.#begin("waiting", beginActivity(this.ids, "buildWaiting", { level: "warn", text }));
  }

  /** What was there ends before. */
  #begin(place: Place, activity: Activity): Messages {
    const before = this.#stop(place);
    this.#open.set(place, activity);
    return [...before, activity.start];
  }

  #result(place: Place, type: Parameters<Activity["result"]>[0], text: string): Messages {
    const activity = this.#open.get(place);
    return activity === undefined ? [] : [activity.result(type, text)];
  }

  #stop(place: Place): Messages {
    const activity = this.#open.get(place);
    this.#open.delete(place);
    return activity === undefined ? [] : [activity.stop()];
  }
}

const verbs = {
  normal: "building",
  check: "checking outputs of",
  repair: "repairing outputs of",
} as const;

/** The two numbers were those of a round and of all rounds. @see Nix: src/libstore/build/derivation-goal.cc, `started` */
function building({ mode, drvPath, machine }: EventOf<"build-started">, ids: ActivityIds): Activity {
  const where = machine === "" ? "" : ` on '${machine}'`;
  const text = `${verbs[mode]} '${drvPath}'${where}`;
  return beginActivity(ids, "build", { level: "info", text, fields: [drvPath, machine, 1n, 1n] });
}

function resolved(event: EventOf<"derivation-resolved">, ids: ActivityIds): Activity {
  const text = `resolved derivation: '${event.drvPath}' -> '${event.resolved}'`;
  return beginActivity(ids, "buildWaiting", { level: "info", text, fields: [event.drvPath, event.resolved] });
}

function hook({ program, drvPath }: EventOf<"post-build-hook-started">, ids: ActivityIds): Activity {
  const text = `running post-build-hook '${program}'`;
  return beginActivity(ids, "postBuildHook", { level: "info", text, fields: [drvPath] });
}

function substituting({ path, uri }: EventOf<"substitution-started">, ids: ActivityIds): Activity {
  return beginActivity(ids, "substitute", { fields: [path, uri] });
}

/** `local` is what Nix calls the store at hand. @see Nix: src/libstore/store-api.cc, `copyStorePath` */
function copying({ path, uri }: EventOf<"substitution-started">, ids: ActivityIds): Activity {
  const text = `copying path '${path}' from '${uri}'`;
  return beginActivity(ids, "copyPath", { level: "info", text, fields: [path, uri, "local"] });
}

function quoted(paths: readonly StorePath[]): string {
  return paths.map((path) => `'${path}'`).join(", ");
}
