import { resultTypes } from "../../log/activities.js";
import { levelOf } from "../../log/levels.js";
import type { LogField, LogMessage } from "../../log/messages.js";
import type { GoalContext } from "../../worker/context.js";

type Teller = Pick<GoalContext, "key" | "emit">;

/**
 * What a build hook says, as events; `undefined` unless it is what the builder wrote, which is then for the log. Stores that
 * have no other way tell lines and phases of the builder so.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `handleChildOutput`
 */
export function followHook(message: LogMessage, cx: Teller): Uint8Array | undefined {
  if (message.action === "setPhase") return phaseLine(message.phase);
  if (message.action === "result") {
    const [text] = message.fields;
    if (message.type === resultTypes.buildLogLine && isText(text)) return line(text);
    if (message.type === resultTypes.setPhase && isText(text)) return phaseLine(text);
  }
  followMessage(message, cx);
  return undefined;
}

/** A message, whoever says it, as an event. */
export function followMessage(
  message: Exclude<LogMessage, { readonly action: "setPhase" }>,
  cx: Teller,
): void {
  if (message.action === "msg")
    cx.emit({ type: "message", goal: cx.key, level: levelOf(message.level), text: message.msg });
  else cx.emit({ type: "activity", goal: cx.key, message });
}

function isText(field: LogField | undefined): field is string {
  return typeof field === "string";
}

/** As a builder says it. */
function phaseLine(phase: string): Uint8Array {
  return line(`@nix ${JSON.stringify({ action: "setPhase", phase })}`);
}

function line(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\n`);
}
