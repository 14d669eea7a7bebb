import type { Event } from "@drvkit/goal";
import type { Style } from "./style.js";
import { fit, printDuration, shortName, stripControls, widthOf } from "./units.js";

interface Running {
  /** With the machine, if it is another one. */
  readonly name: string;
  readonly sinceMs: number;
  readonly state: "runs" | "waits";
  phase: string;
  line: string;
}

/** A row as it is written, and how many columns it takes. */
interface Row {
  readonly text: string;
  readonly columns: number;
}

/** What runs now, and what waits for somebody else, in the order of their beginning. */
export class RunningRows {
  readonly #running = new Map<string, Running>();

  constructor(private readonly style: Style) {}

  event(event: Event): void {
    switch (event.type) {
      case "build-started":
        this.#begin(event.goal, nameOf(event));
        return;
      case "substitution-started":
        this.#begin(event.goal, shortName(event.path), `copying from ${event.uri}`);
        return;
      case "waiting-for-lock":
        this.#wait(event.goal, event.drvPath, "waits for a lock that another process has");
        return;
      case "waiting-for-machine":
        this.#wait(event.goal, event.drvPath, "waits for a machine");
        return;
      case "build-phase":
        this.#say(event.goal, { phase: event.phase, line: "" });
        return;
      case "build-line":
        this.#say(event.goal, { line: event.line });
        return;
      case "activity":
        if (event.message.action === "start") this.#say(event.goal, { line: event.message.text });
        return;
      case "post-build-hook-started":
        this.#say(event.goal, { phase: "post-build-hook", line: event.program });
        return;
      case "post-build-hook-line":
        this.#say(event.goal, { line: event.line });
        return;
      case "build-finished":
      case "substitution-finished":
      case "goal-done":
        this.#running.delete(event.goal);
        return;
      default:
        return;
    }
  }

  /** At most `room` of them, what runs before what waits, and how many more there are. */
  rows(width: number, room: number): Row[] {
    const all = [...this.#running.values()];
    const sorted = ["runs", "waits"].flatMap((state) => all.filter((each) => each.state === state));
    const rows = sorted.slice(0, room).map((each) => this.#row(each, width));
    if (all.length <= room) return rows;
    const more = fit(`       and ${all.length - room} more`, width);
    return [...rows, { text: this.style.dim(more), columns: widthOf(more) }];
  }

  #row({ name, sinceMs, state, phase, line }: Running, width: number): Row {
    const time = printDuration(performance.now() - sinceMs).padStart(6);
    const head = fit(`${time} ${name}`, width);
    const said = stripControls(phase === "" ? line : `(${phase}) ${line}`);
    const rest = fit(said, width - widthOf(head) - 1);
    const paint = state === "waits" ? this.style.yellow : this.style.cyan;
    return { text: `${paint(head)} ${this.style.dim(rest)}`, columns: widthOf(head) + 1 + widthOf(rest) };
  }

  #begin(goal: string, name: string, line = ""): void {
    this.#running.delete(goal); // what waited begins anew
    this.#running.set(goal, { name, line, sinceMs: performance.now(), state: "runs", phase: "" });
  }

  #wait(goal: string, drvPath: string, line: string): void {
    const since = this.#running.get(goal)?.sinceMs ?? performance.now();
    this.#running.set(goal, { name: shortName(drvPath), line, sinceMs: since, state: "waits", phase: "" });
  }

  #say(goal: string, said: Partial<Pick<Running, "phase" | "line">>): void {
    const running = this.#running.get(goal);
    if (running !== undefined) Object.assign(running, said);
  }
}

function nameOf({ drvPath, machine }: Extract<Event, { readonly type: "build-started" }>): string {
  return machine === "" ? shortName(drvPath) : `${shortName(drvPath)} on ${stripControls(machine)}`;
}
