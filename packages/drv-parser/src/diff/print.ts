import { printAlgorithmField } from "../aterm/algorithm-field.js";
import { compareText } from "../bytes/text.js";
import type { DerivationOutput } from "../derivation/derivation.js";
import { printHash } from "../hash/print.js";
import { baseNameOf, namePartOf, type StorePath } from "../store-path/store-path.js";
import type { DerivationDifference, DiffStep } from "./diff.js";

const mostLines = 20;
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The steps as text for people: for each pair its name and paths, then what differs, lines of the one behind `-`, of the
 * other behind `+`. Of long values only the lines that differ. Ends in a line end unless it is empty.
 */
export function printDerivationDiff(steps: readonly DiffStep[]): string {
  return steps.map((step) => [...linesOf(step), ""].join("\n")).join("\n");
}

function* linesOf(step: DiffStep): Generator<string, void, undefined> {
  const [nameA, nameB] = [namePartOf(step.a), namePartOf(step.b)];
  yield nameA === nameB ? `${nameA}:` : `${nameA} and ${nameB}:`;
  yield `- ${step.a}`;
  yield `+ ${step.b}`;
  if (!step.outputsDiffer) yield "  makes the same outputs";
  for (const difference of step.differences) for (const line of lines(difference)) yield `  ${line}`;
  if (step.inputs.length > 0) {
    const names = [...new Set(step.inputs.map(({ b }) => namePartOf(b) as string))].sort(compareText);
    const only = step.differences.length === 0 ? "differs only through" : "differs through";
    yield `  ${only} ${names.join(", ")}`;
  }
}

function lines(difference: DerivationDifference): readonly string[] {
  switch (difference.kind) {
    case "platform":
      return ["platform", ...sides([difference.a], [difference.b])];
    case "builder":
      return ["builder", ...sides([shown(difference.a)], [shown(difference.b)])];
    case "args":
      return ["arguments", ...sides(difference.a.flatMap(shownLines), difference.b.flatMap(shownLines))];
    case "variable":
      return [
        `variable ${shown(difference.name)}`,
        ...sides(optional(difference.a, shownLines), optional(difference.b, shownLines)),
      ];
    case "output":
      return [
        `output ${difference.name}`,
        ...sides(optional(difference.a, shownOutput), optional(difference.b, shownOutput)),
      ];
    case "source":
      return ["source", ...sides(optional(difference.a, shownPath), optional(difference.b, shownPath))];
    case "input":
      return ["input", ...sides(optional(difference.a, shownPath), optional(difference.b, shownPath))];
    case "wantedOutputs":
      return [
        `outputs wanted of ${baseNameOf(difference.of)}`,
        ...sides([shownNames(difference.a)], [shownNames(difference.b)]),
      ];
  }
}

/** Lines that both begin or end with are left out. */
function sides(a: readonly string[], b: readonly string[]): readonly string[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const side = (mark: string, all: readonly string[]) => {
    const some = all.slice(start, all.length - end);
    const more = some.length - mostLines;
    const cut = more > 0 ? [`${mark} … ${more} more lines`] : [];
    return [...some.slice(0, mostLines).map((line) => `${mark} ${line}`), ...cut];
  };
  return [...side("-", a), ...side("+", b)];
}

function optional<Value>(
  value: Value | undefined,
  show: (value: Value) => readonly string[],
): readonly string[] {
  return value === undefined ? [] : show(value);
}

function shownLines(bytes: Uint8Array): readonly string[] {
  return lenient.decode(bytes).split("\n").map(escaped);
}

function shown(bytes: Uint8Array): string {
  return escaped(lenient.decode(bytes).replaceAll("\n", "\\n"));
}

/** Nothing that a terminal would act upon. */
function escaped(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function shownPath(path: StorePath): readonly string[] {
  return [path];
}

function shownNames(names: ReadonlySet<string>): string {
  return [...names].sort(compareText).join(", ");
}

function shownOutput(output: DerivationOutput): readonly string[] {
  switch (output.kind) {
    case "inputAddressed":
    case "deferred":
      return ["input-addressed"];
    case "fixed":
      return [`fixed ${output.ca.method} ${printHash(output.ca.hash, "sri")}`];
    case "floating":
    case "impure":
      return [`${output.kind} ${printAlgorithmField(output.method, output.algorithm)}`];
  }
}
