import type { Level } from "../event.js";

/** In the order of Nix's verbosity numbers. */
const levels: readonly Level[] = ["error", "warn", "notice", "info", "talkative", "chatty", "debug", "vomit"];

/** Nix's verbosity number of a level. */
export function levelNumber(level: Level): bigint {
  return BigInt(levels.indexOf(level));
}

/** The name of one of Nix's verbosity numbers; those beyond are the last one. */
export function levelOf(number: bigint): Level {
  return levels[Number(number)] ?? "vomit";
}
