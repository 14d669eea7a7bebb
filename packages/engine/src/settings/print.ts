import { compareText } from "@drvkit/drv-parser";
import type { Settings } from "./table.js";

/** All settings as a configuration file has them, by name in byte order. */
export function printSettings(settings: Settings): ReadonlyMap<string, string> {
  const values: readonly (readonly [string, string | number | boolean | readonly string[]])[] =
    Object.entries(settings);
  return new Map(
    values
      .map(([name, value]) => [name, typeof value === "object" ? value.join(" ") : String(value)] as const)
      .sort(([a], [b]) => compareText(a, b)),
  );
}
