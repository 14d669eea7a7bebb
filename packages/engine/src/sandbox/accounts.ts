import { readFileSync } from "node:fs";
import { hasCode } from "../error.js";

/** Entries of a file such as `/etc/passwd`, each as its fields. A file that is not there has none. */
export function entriesOf(file: string): readonly (readonly string[])[] {
  const lines = readOrNothing(file).split("\n");
  return lines.filter((line) => line !== "").map((line) => line.split(":"));
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    return "";
  }
}
