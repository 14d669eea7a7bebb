import { ActivityIds, InternalJson, type Level, type LogMessage, printLogMessage } from "@drvkit/goal";
import type { Renderer } from "./renderer.js";

/** Renders events for programs that read Nix's logger. */
export function makeJsonRenderer(stream: { write(text: string): unknown }, processId: number): Renderer {
  const logger = new InternalJson(new ActivityIds(processId));
  const write = (messages: readonly LogMessage[]) => {
    for (const message of messages) stream.write(`${printLogMessage(message)}\n`);
  };
  const say = (level: Level, text: string) =>
    write(logger.messages({ type: "message", atMs: 0, level, text }));
  return {
    event: (event) => write(logger.messages(event)),
    error: (error) => say("error", error instanceof Error ? error.message : String(error)),
    warning: (text) => say("warn", text),
    end: () => undefined,
  };
}
