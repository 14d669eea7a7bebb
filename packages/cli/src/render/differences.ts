import type { DifferenceReason, FileDifference, OutputDifference } from "@drvkit/goal";
import type { Style } from "./style.js";
import { stripControls } from "./units.js";

/** So many files of an output are told to a person; `--json` tells more. */
const mostFiles = 10;
const widestName = 40;

/** What a check found, below the error that says that it did. */
export function renderDifferences(differences: readonly OutputDifference[], style: Style): string {
  return differences.map((difference) => renderOutput(difference, style)).join("");
}

function renderOutput({ output, files, count }: OutputDifference, style: Style): string {
  if (count === 0) return "";
  const shown = files.slice(0, mostFiles);
  const names = shown.map(({ file }) => (file === "" ? "the output itself" : stripControls(file)));
  const width = Math.min(widestName, Math.max(...names.map((name) => name.length)));
  const lines = shown.map((file, index) => {
    const name = (names[index] ?? "").padEnd(width);
    return `         ${name}  ${style.dim(describe(file))}`;
  });
  const more = count - shown.length;
  if (more > 0) lines.push(`         ${style.dim(`and ${more} more`)}`);
  return `       in output '${output}' ${count === 1 ? "one file differs" : `${count} files differ`}:\n${lines.join("\n")}\n`;
}

const sides = { registered: "only in the registered output", built: "only in the new one" } as const;

const reasons: Readonly<Record<DifferenceReason, string>> = {
  order: "the same lines in another order",
  time: "a time",
  path: "a path",
};

function describe(difference: FileDifference): string {
  switch (difference.kind) {
    case "only":
      return sides[difference.onlyIn];
    case "executable":
      return `executable ${sides[difference.onlyIn]}`;
    case "type":
      return `${difference.registered}, now ${difference.built}`;
    case "target":
      return `link to "${difference.registered}", now "${difference.built}"${because(difference.reason)}`;
    case "contents": {
      const { registeredSizeBytes: before, builtSizeBytes: now, offset, reason } = difference;
      const sizes = before === now ? "" : `, ${before} bytes, now ${now}`;
      if (reason === "order") return `${reasons.order}, from byte ${offset}`;
      return `from byte ${offset}${sizes}: "${difference.registered}", now "${difference.built}"${because(reason)}`;
    }
  }
}

function because(reason: DifferenceReason | undefined): string {
  return reason === undefined ? "" : ` (${reasons[reason]})`;
}
