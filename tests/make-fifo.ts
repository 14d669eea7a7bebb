import { execFileSync } from "node:child_process";

/** A pipe with a name, which a builder of any id opens. */
export function makeFifo(path: string): string {
  execFileSync("mkfifo", [path]);
  execFileSync("chmod", ["666", path]); // whatever the mask is
  return path;
}
