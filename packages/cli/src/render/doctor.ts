import type { MachineReport } from "@drvkit/engine";
import type { Style } from "./style.js";

interface Row {
  readonly name: string;
  readonly works: boolean;
  readonly required: boolean;
  readonly detail: string;
  readonly hint?: string;
  readonly setting?: string;
}

interface Look {
  /** Why nothing was looked at. */
  readonly reason: string | undefined;
  /** Width of the terminal, if it is one. */
  readonly columns: number | undefined;
  readonly style: Style;
}

/** Beyond that lines are hard to read. */
const mostColumns = 100;
const nameColumns = 19;

/** What `drv doctor` prints: a line for each layer and for what else builds use, and below it what would change it. */
export function renderDoctor(report: MachineReport, { reason, columns, style }: Look): string {
  const width = Math.min(columns || 80, mostColumns);
  const layers: readonly Row[] = report.layers.map((probe) => ({ ...probe, name: probe.layer }));
  const rows = [...layers, ...report.machine];
  const said = new Set<string>();
  const section = (title: string, of: readonly Row[]) =>
    of.length === 0
      ? []
      : [style.bold(title), ...of.flatMap((row) => renderRow(row, { width, style, said })), ""];
  const lines = [
    ...(reason === undefined ? [] : [`${style.red("✗")} platform: ${reason}`, ""]),
    ...section("Layers of the sandbox [setting]", layers),
    ...section("What builds use [setting]", report.machine),
    conclusion(report.ready, rows, style),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

interface RowLook {
  readonly width: number;
  readonly style: Style;
  /** Hints so far: one reason often takes several layers away. */
  readonly said: Set<string>;
}

function renderRow({ name, works, required, detail, hint, setting }: Row, look: RowLook): readonly string[] {
  const { width, style, said } = look;
  const mark = works ? style.green("✓") : required ? style.red("✗") : style.yellow("–");
  const indent = " ".repeat(nameColumns + 4);
  // All of the others have this one, which takes the whole sandbox away.
  const shown = setting === undefined || setting === "sandbox" ? detail : `${detail} [${setting}]`;
  const [first = "", ...rest] = wrap(shown, width - indent.length);
  const lines = [`  ${mark} ${name.padEnd(nameColumns)}${style.dim(first)}`];
  lines.push(...rest.map((text) => `${indent}${style.dim(text)}`));
  if (hint === undefined || said.has(hint)) return lines;
  said.add(hint);
  return [...lines, ...labelled("hint:", hint, look)];
}

function labelled(label: string, text: string, { width, style }: RowLook): readonly string[] {
  const indent = 4 + label.length + 1;
  const [first = "", ...rest] = wrap(text, width - indent);
  return [`    ${style.cyan(label)} ${first}`, ...rest.map((line) => `${" ".repeat(indent)}${line}`)];
}

function conclusion(ready: boolean, rows: readonly Row[], style: Style): string {
  if (!ready) return style.red("this machine cannot build with these settings");
  const missing = rows.filter(({ works }) => !works).length;
  const without =
    missing === 0 ? "" : `, without ${missing} ${missing === 1 ? "thing" : "things"} that can be missing`;
  return `${style.green("this machine can build")}${without}`;
}

/** Lines of words, one of which is what stands between backquotes; a word that is too long has a line of its own. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const [word] of text.matchAll(/(?:`[^`]*`|\S)+/gu)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
