import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Event } from "../../src/index.js";
import { type RecordedEvents, recordEvents } from "../../src/testing/index.js";
import { checkEvent } from "./schema.js";

/** Where the reasons that the tests of a file reached are written; only a run of all suites asks for them. */
const folder = process.env["DRVKIT_REACHED"];
const reached = new Set<string>();

/** Keeps events, each held against the schema, and notes why goals went from stage to stage: `scripts/row-coverage.mjs` holds that against the rows. */
export function recordTraced(): RecordedEvents {
  const events = recordEvents();
  return {
    ...events,
    emit(event) {
      checkEvent(event);
      trace(event);
      events.emit(event);
    },
  };
}

function trace(event: Event): void {
  if (event.type === "goal-stage") reached.add(`derivation ${event.because}`);
  if (event.type === "substitution-stage") reached.add(`substitution ${event.because}`);
  if (event.type === "realisation-stage") reached.add(`realisation ${event.because}`);
}

afterAll(() => {
  if (folder === undefined || reached.size === 0) return;
  appendFileSync(join(folder, `${process.pid}.txt`), `${[...reached].join("\n")}\n`);
  reached.clear();
});
