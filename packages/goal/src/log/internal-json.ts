import { baseNameOf, compareText, type StorePath } from "@drvkit/drv-parser";
import type { Event, Level } from "../event.js";
import type { GoalKey } from "../worker/goal-key.js";
import { type Activity, type ActivityIds, beginActivity } from "./activities.js";
import { NixFigures } from "./figures.js";
import { GoalActivities } from "./goal-activities.js";
import { levelNumber } from "./levels.js";
import type { LogMessage } from "./messages.js";

type EventOf<Type extends Event["type"]> = Extract<Event, { readonly type: Type }>;
type Messages = readonly LogMessage[];

/** The three that stand for a whole run. */
interface RunActivities {
  readonly realise: Activity;
  readonly builds: Activity;
  readonly copyPaths: Activity;
}

/**
 * Events of a run, or of several one after the other, as Nix's logger tells a run: `--log-format internal-json`.
 *
 * Two that go on at the same time need one each, with the same ids. What a failed goal has to say comes when it ends if
 * somebody waited for it, else at the end of the run.
 *
 * @see Nix: src/libutil/logging.cc, `JSONLogger`; src/libstore/build
 */
export class InternalJson {
  readonly #goals = new Map<GoalKey, GoalActivities>();
  readonly #waitedFor = new Set<GoalKey>();
  /** What is said at the end, by the path that could not be made. */
  readonly #failures = new Map<StorePath, string>();
  #figures = new NixFigures();
  #run: RunActivities | undefined;

  /** `verbosity`: messages beyond it are left out; activities are told whatever their level. */
  constructor(
    private readonly ids: ActivityIds,
    private readonly verbosity: Level = "info",
  ) {}

  /** What Nix's logger would say now. */
  messages(event: Event): Messages {
    const tellsFigures = this.#figures.follow(event);
    const figures = tellsFigures ? this.#progress() : [];
    switch (event.type) {
      case "run-started":
        return this.#begin();
      case "run-finished":
        return this.#end();
      case "goal-waits":
        for (const goal of event.for) this.#waitedFor.add(goal);
        return [];
      case "message":
        return this.#message(event.level, event.text);
      case "kept-build-dir":
        return [{ action: "msg", level: 0n, msg: `note: keeping build directory '${event.path}'` }];
      case "substitution-started":
        return [...figures, ...this.#tell(event)];
      case "substitution-finished":
        return [...this.#tell(event), ...figures];
      case "goal-done":
        return [...figures, ...this.#goalDone(event)];
      case "substitution-done":
        return [...this.#substitutionDone(event), ...figures];
      default:
        return [...this.#tell(event), ...figures];
    }
  }

  #begin(): Messages {
    const left = this.#stopGoals();
    this.#figures = new NixFigures();
    this.#waitedFor.clear();
    const run: RunActivities = {
      realise: beginActivity(this.ids, "realise"),
      builds: beginActivity(this.ids, "builds"),
      copyPaths: beginActivity(this.ids, "copyPaths"),
    };
    this.#run = run;
    return [...left, run.realise.start, run.builds.start, run.copyPaths.start];
  }

  #end(): Messages {
    const run = this.#run;
    this.#run = undefined;
    const stops =
      run === undefined ? [] : [run.copyPaths, run.builds, run.realise].map((activity) => activity.stop());
    return [...this.#stopGoals(), ...stops, ...this.#sayFailures()];
  }

  /** @see Nix: src/libstore/build/worker.hh, `updateProgress` */
  #progress(): Messages {
    const run = this.#run;
    if (run === undefined) return [];
    const figures = this.#figures;
    return [
      run.builds.result("progress", ...figures.builds.map(BigInt)),
      run.copyPaths.result("progress", ...figures.substitutions.map(BigInt)),
      run.realise.expected("fileTransfer", figures.expectedDownloadBytes),
      run.realise.expected("copyPath", figures.expectedNarBytes),
    ];
  }

  #goalDone({ goal, result }: EventOf<"goal-done">): Messages {
    const said = "errorMessage" in result ? this.#fail(goal, result.drvPath, result.errorMessage) : [];
    return [...said, ...this.#stopGoal(goal)];
  }

  /** Nix keeps to itself why a path was not obtained that something waits for: whether that matters is for who waits. */
  #substitutionDone({ goal, result }: EventOf<"substitution-done">): Messages {
    if (result.exit !== "success" && !this.#waitedFor.has(goal))
      this.#failures.set(result.path, result.errorMessage);
    return this.#stopGoal(goal);
  }

  #fail(goal: GoalKey, path: StorePath, text: string): Messages {
    if (this.#waitedFor.has(goal)) return [errorMessage(text)];
    this.#failures.set(path, text);
    return [];
  }

  /** One is said as it is; several, and then that they failed. @see Nix: src/libstore/build/entry-points.cc, `buildPaths` */
  #sayFailures(): Messages {
    const said = [...this.#failures.values()].map(errorMessage);
    const paths = [...this.#failures.keys()].sort((a, b) => compareText(baseNameOf(a), baseNameOf(b)));
    this.#failures.clear();
    if (said.length < 2) return said;
    const [first, ...others] = said as [LogMessage, ...LogMessage[]];
    const list = paths.map((path) => `'${path}'`).join(", ");
    return [...others, first, errorMessage(`build of ${list} failed`)];
  }

  #message(level: Level, text: string): Messages {
    if (levelNumber(level) > levelNumber(this.verbosity)) return [];
    if (level === "error") return [errorMessage(text)];
    const msg = level === "warn" ? `warning: ${text}` : text;
    return [{ action: "msg", level: levelNumber(level), msg }];
  }

  /** Only a goal that is at something is remembered: many thousand may wait. */
  #tell(event: Event): Messages {
    if (!("goal" in event) || event.goal === undefined) return [];
    const activities = this.#goals.get(event.goal) ?? new GoalActivities(this.ids);
    const messages = activities.tell(event);
    if (messages.length > 0) this.#goals.set(event.goal, activities);
    return messages;
  }

  #stopGoal(goal: GoalKey): Messages {
    const stopped = this.#goals.get(goal)?.stopAll() ?? [];
    this.#goals.delete(goal);
    return stopped;
  }

  #stopGoals(): Messages {
    return [...this.#goals.keys()].flatMap((goal) => this.#stopGoal(goal));
  }
}

/** An error, as Nix's logger has it, without colours. */
function errorMessage(text: string): LogMessage {
  return { action: "msg", level: 0n, msg: `error: ${text}`, rawMsg: text };
}
