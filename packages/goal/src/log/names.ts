import { join } from "node:path";
import { baseNameOf, type StorePath } from "@drvkit/drv-parser";

/** The compressions of logs, by what is behind their names. */
export type LogExtension = ".bz2" | ".zst";

export const logExtensions: readonly LogExtension[] = [".bz2", ".zst"];

/** The names under which the log of a path may be. */
export function logNamesOf(path: string): readonly string[] {
  return [path, ...logExtensions.map((extension) => `${path}${extension}`)];
}

/** `drvs/XX/REST` of the base name's first two characters and the rest. */
export function logPath(logDir: string, drvPath: StorePath): string {
  const base = baseNameOf(drvPath);
  return join(logDir, "drvs", base.slice(0, 2), base.slice(2));
}
