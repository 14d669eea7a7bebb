import type { Settings } from "./table.js";

/** All settings as a configuration file has them, by name. */
export function printSettings(settings: Settings): ReadonlyMap<string, string> {
  const values: readonly (readonly [string, Settings[keyof Settings]])[] = Object.entries(settings);
  return new Map(
    values.map(([name, value]) => [name, typeof value === "object" ? value.join(" ") : String(value)]),
  );
}
