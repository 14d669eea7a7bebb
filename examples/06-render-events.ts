// A renderer of its own: every type of event has its case, and a new one stops this file from compiling.
// Run: npx jiti examples/06-render-events.ts FOLDER
import { derivation, openEngine } from "@drvkit/engine";
import type { Event } from "@drvkit/goal";

const nameOf = (path: string) => path.replace(/^.*\/[^-]*-/u, "").replace(/\.drv$/u, "");

/** The line for an event; nothing for what only a machine wants to know. */
function render(event: Event): string | undefined {
  switch (event.type) {
    case "build-started":
      return `▶ ${nameOf(event.drvPath)}${event.machine === "" ? "" : ` on ${event.machine}`}`;
    case "build-line":
    case "post-build-hook-line":
      return `  ${event.line}`;
    case "build-finished":
      return `■ ${nameOf(event.drvPath)}: ${event.status}`;
    case "waiting-for-lock":
    case "waiting-for-machine":
      return `… ${nameOf(event.drvPath)} waits`;
    case "message":
      return `${event.level}: ${event.text}`;
    case "goal-done":
      return "errorMessage" in event.result ? `✗ ${event.result.errorMessage}` : undefined;
    case "run-finished":
      return event.exitStatus === 0 ? "done" : `failed with ${event.exitStatus}`;
    case "run-started":
    case "goal-created":
    case "goal-waits":
    case "goal-stage":
    case "substitution-created":
    case "substitution-stage":
    case "substitution-started":
    case "substitution-done":
    case "realisation-created":
    case "realisation-stage":
    case "realisation-done":
    case "derivation-resolved":
    case "slot":
    case "activity":
    case "post-build-hook-started":
    case "post-build-hook-finished":
    case "registered":
    case "progress":
    case "build-phase":
    case "substitution-finished":
    case "kept-build-dir":
      return undefined;
  }
}

const hello = derivation({ name: "hello", builder: "/bin/sh", args: ["-c", "echo writing; echo hi > $out"] });
await using engine = await openEngine({ store: process.argv[2] ?? ".drvkit" });
for await (const event of engine.build([hello])) {
  const line = render(event);
  if (line !== undefined) console.log(line);
}
