import { readFileSync } from "node:fs";
import { hasCode } from "../error.js";

/** Entries of a file such as `/etc/passwd`, each as its fields. A file that is not there has none. */
export function entriesOf(file: string): readonly (readonly string[])[] {
  return entriesIn(readOrNothing(file));
}

/** The name of the account that has a user id, as such a file says now. */
export function accountsById(file: string): (id: number) => string | undefined {
  const text = readOrNothing(file);
  // Most often there is none, and then the text need not be taken apart.
  return (id) =>
    text.includes(`:${id}:`) ? entriesIn(text).find(([, , uid]) => Number(uid) === id)?.[0] : undefined;
}

function entriesIn(text: string): readonly (readonly string[])[] {
  const lines = text.split("\n");
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
