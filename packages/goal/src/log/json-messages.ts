import { GoalError, reasonOf } from "../error.js";
import { type LogMessage, parseLogMessage } from "./messages.js";

/** What a line of a builder is: text for a person, the name of a phase, or a message that is not for the log. */
export type BuilderLine =
  | { readonly type: "text" }
  | { readonly type: "phase"; readonly phase: string }
  | { readonly type: "message"; readonly message: Exclude<LogMessage, { readonly action: "setPhase" }> }
  /** An action that nobody knows. */
  | { readonly type: "swallowed" }
  | { readonly type: "malformed"; readonly reason: string };

const marker = "@nix ";
const text: BuilderLine = { type: "text" };
const actions: ReadonlySet<unknown> = new Set<LogMessage["action"]>([
  "msg",
  "start",
  "stop",
  "result",
  "setPhase",
]);

/**
 * Judges a line that a builder printed. Nothing it prints may disturb the build: what cannot be read is text.
 *
 * @see Nix: src/libutil/logging.cc, `handleJSONLogMessage`
 */
export function readBuilderLine(line: string): BuilderLine {
  if (!line.startsWith(marker)) return text;
  try {
    const { action } = Object(JSON.parse(line.slice(marker.length)));
    if (typeof action !== "string") return { type: "malformed", reason: "it has no action" };
    if (!actions.has(action)) return { type: "swallowed" };
    const message = parseLogMessage(line);
    return message.action === "setPhase"
      ? { type: "phase", phase: message.phase }
      : { type: "message", message };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof GoalError)
      return { type: "malformed", reason: reasonOf(error).replace("a log message cannot be read: ", "") };
    throw error;
  }
}
