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

/** Running builds with time and last line, and the counts, redrawn at the bottom of a terminal. */
export class StatusBlock {
  readonly #running = new Map<string, Running>();
  readonly #timer: NodeJS.Timeout;
  readonly #onExit = () => this.end();
  #counts: Extract<Event, { type: "progress" }>["builds"] | undefined;
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
        this.#running.set(event.goal, {
          name: shortName(event.drvPath),
          startedMs: performance.now(),
          line: "",
        });
        return;
      case "build-line": {
        const running = this.#running.get(event.goal);
        if (running !== undefined) running.line = event.line;
        return;
      }
      case "build-finished":
        this.#running.delete(event.goal);
        return;
      case "progress":
        this.#counts = event.builds;
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
    if (this.#counts !== undefined) rows.push(this.#countRow(this.#counts));
    return rows;
  }

  #countRow(counts: Extract<Event, { type: "progress" }>["builds"]): string {
    const failed = counts.failed > 0 ? `, ${this.style.red(`${counts.failed} failed`)}` : "";
    return `${this.style.bold(`${counts.done}/${counts.expected}`)} built, ${counts.running} running${failed}`;
  }
}
