import type { Event } from "@drvkit/goal";
import type { Style } from "./style.js";
import { printDuration, shortName, stripControls } from "./units.js";

/** The part of a terminal stream that rendering needs. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const hideCursor = "\u001b[?25l";
const showCursor = "\u001b[?25h";
const redrawEveryMs = 100;

interface Running {
  readonly name: string;
  readonly startedMs: number;
  line: string;
}

type Figures = Pick<Extract<Event, { type: "progress" }>["builds"], "done" | "expected">;

/** Running builds with time and last line, and the counts, redrawn at the bottom of a terminal. */
export class StatusBlock {
  readonly #running = new Map<string, Running>();
  readonly #timer: NodeJS.Timeout;
  readonly #onExit = () => this.end();
  #progress: Extract<Event, { type: "progress" }> | undefined;
  #drawnRows = 0;
  #ended = false;

  constructor(
    private readonly terminal: Terminal,
    private readonly style: Style,
  ) {
    terminal.write(hideCursor);
    this.#timer = setInterval(() => this.#redraw(), redrawEveryMs);
    process.once("exit", this.#onExit);
  }

  event(event: Event): void {
    switch (event.type) {
      case "build-started":
        this.#start(event.goal, event.drvPath, "");
        return;
      case "substitution-started":
        this.#start(event.goal, event.path, `copying from ${event.uri}`);
        return;
      case "build-line": {
        const running = this.#running.get(event.goal);
        if (running !== undefined) running.line = event.line;
        return;
      }
      case "build-finished":
      case "substitution-finished":
        this.#running.delete(event.goal);
        return;
      case "progress":
        this.#progress = event;
        return;
      default:
        return;
    }
  }

  /** A line that stays, above the block. */
  print(text: string): void {
    this.terminal.write(this.#erase() + text);
    if (!this.#ended) this.#redraw();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    process.off("exit", this.#onExit);
    this.terminal.write(this.#erase() + showCursor);
  }

  #redraw(): void {
    const rows = this.#rows();
    this.terminal.write(`${this.#erase()}${rows.map((row) => `${row}\n`).join("")}`);
    this.#drawnRows = rows.length;
  }

  #erase(): string {
    const rows = this.#drawnRows;
    this.#drawnRows = 0;
    return rows === 0 ? "" : `\u001b[${rows}A\u001b[0J`;
  }

  #rows(): readonly string[] {
    const width = (this.terminal.columns || 80) - 1;
    const room = Math.max(1, Math.floor((this.terminal.rows ?? 24) / 2));
    const running = [...this.#running.values()];
    const rows = running.slice(0, room).map((build) => {
      const time = printDuration(performance.now() - build.startedMs).padStart(6);
      const head = `${time} ${build.name}`.slice(0, width);
      const line = stripControls(build.line).slice(0, Math.max(0, width - head.length - 1));
      return `${this.style.cyan(head)} ${this.style.dim(line)}`;
    });
    if (running.length > room) rows.push(this.style.dim(`       and ${running.length - room} more`));
    if (this.#progress !== undefined) rows.push(this.#countRow(this.#progress));
    return rows;
  }

  #countRow({ builds, substitutions }: Extract<Event, { type: "progress" }>): string {
    const of = ({ done, expected }: Figures) => this.style.bold(`${done}/${expected}`);
    const copied = substitutions.expected > 0 ? `, ${of(substitutions)} copied` : "";
    const failed = builds.failed > 0 ? `, ${this.style.red(`${builds.failed} failed`)}` : "";
    return `${of(builds)} built${copied}, ${builds.running + substitutions.running} running${failed}`;
  }

  #start(goal: string, path: string, line: string): void {
    this.#running.set(goal, { name: shortName(path), startedMs: performance.now(), line });
  }
}
