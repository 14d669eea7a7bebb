import { reasonOf } from "../error.js";

/** What a line of a builder is: text for a person, the name of a phase, or a message that is not for the log. */
export type BuilderLine =
  | { readonly type: "text" }
  | { readonly type: "phase"; readonly phase: string }
  | { readonly type: "swallowed" }
  | { readonly type: "malformed"; readonly reason: string };

const marker = "@nix ";

/**
 * Judges a line that a builder printed. Nothing it prints may disturb the build: what cannot be read is text.
 *
 * @see Nix: src/libutil/logging.cc, `handleJSONLogMessage`
 */
export function readBuilderLine(line: string): BuilderLine {
  if (!line.startsWith(marker)) return { type: "text" };
  let message: unknown;
  try {
    message = JSON.parse(line.slice(marker.length));
  } catch (error) {
    return { type: "malformed", reason: reasonOf(error) };
  }
  const { action, phase } = (typeof message === "object" && message !== null ? message : {}) as Record<
    string,
    unknown
  >;
  if (typeof action !== "string") return { type: "malformed", reason: "it has no action" };
  if (action !== "setPhase") return { type: "swallowed" };
  return typeof phase === "string"
    ? { type: "phase", phase }
    : { type: "malformed", reason: "it names no phase" };
}
