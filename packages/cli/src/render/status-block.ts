import type { Event } from "@drvkit/goal";
import { RunningRows } from "./running-rows.js";
import type { Style } from "./style.js";
import { printBytes, widthOf } from "./units.js";

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

type Progress = Extract<Event, { type: "progress" }>;

/** What runs and waits, with time and last line, and the counts, redrawn at the bottom of a terminal. */
export class StatusBlock {
  readonly #rows: RunningRows;
  readonly #timer: NodeJS.Timeout;
  readonly #onExit = () => this.end();
  #progress: Progress | undefined;
  /** Columns that each drawn row takes: a terminal that becomes narrower wraps them. */
  #drawn: readonly number[] = [];
  #ended = false;

  constructor(
    private readonly terminal: Terminal,
    private readonly style: Style,
  ) {
    this.#rows = new RunningRows(style);
    terminal.write(hideCursor);
    this.#timer = setInterval(() => this.#redraw(), redrawEveryMs);
    process.once("exit", this.#onExit);
  }

  event(event: Event): void {
    if (event.type === "progress") this.#progress = event;
    else this.#rows.event(event);
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
    const width = this.#columns() - 1;
    const room = Math.max(1, Math.floor((this.terminal.rows || 24) / 2));
    const rows = this.#rows.rows(width, room);
    if (this.#progress !== undefined) rows.push(this.#countRow(this.#progress, width));
    this.terminal.write(`${this.#erase()}${rows.map(({ text }) => `${text}\n`).join("")}`);
    this.#drawn = rows.map((row) => row.columns);
  }

  /** Row by row: to erase all from the first row of a screen on makes some terminals keep it as history. */
  #erase(): string {
    const columns = this.#columns();
    const rows = this.#drawn.reduce((sum, each) => sum + Math.max(1, Math.ceil(each / columns)), 0);
    this.#drawn = [];
    const up = `\u001b[${rows}A`;
    return rows === 0 ? "" : `${up}${"\u001b[2K\u001b[1B".repeat(rows)}${up}`;
  }

  #columns(): number {
    return this.terminal.columns || 80;
  }

  /** What does not fit any more is left out, from the end. */
  #countRow({ builds, substitutions, transfers }: Progress, width: number) {
    const { bold, red } = this.style;
    const of = ({ done, expected }: Progress["builds"]) => `${done}/${expected}`;
    const bytes = `${printBytes(transfers.doneNarBytes)} of ${printBytes(transfers.expectedNarBytes)}`;
    const parts = [
      { plain: `${of(builds)} built`, painted: `${bold(of(builds))} built` },
      ...(substitutions.expected > 0
        ? [{ plain: `${of(substitutions)} copied`, painted: `${bold(of(substitutions))} copied` }]
        : []),
      ...(transfers.expectedNarBytes > 0 ? [{ plain: bytes, painted: bytes }] : []),
      ...[`${builds.running + substitutions.running} running`].map((text) => ({
        plain: text,
        painted: text,
      })),
      ...(builds.failed > 0
        ? [{ plain: `${builds.failed} failed`, painted: red(`${builds.failed} failed`) }]
        : []),
    ];
    while (parts.length > 1 && widthOf(parts.map(({ plain }) => plain).join(", ")) > width) parts.pop();
    return {
      text: parts.map(({ painted }) => painted).join(", "),
      columns: widthOf(parts.map(({ plain }) => plain).join(", ")),
    };
  }
}
