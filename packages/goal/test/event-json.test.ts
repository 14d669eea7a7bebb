import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { OutputName, StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { eventSchema } from "../scripts/event-schema.mjs";
import { type Event, printEvent } from "../src/index.js";
import { checkEvent } from "./support/schema.js";

const goal = "b$x$/nix/store/x.drv" as Extract<Event, { type: "build-line" }>["goal"];
const drvPath = "/nix/store/x.drv" as StorePath;

describe("an event as JSON", () => {
  test("has its maps as objects", () => {
    const outputs = new Map([["out" as OutputName, "/nix/store/x" as StorePath]]);
    const result = {
      drvPath,
      status: "built",
      timesBuilt: 1,
      startTimeSeconds: 1,
      stopTimeSeconds: 2,
      outputs,
    } as const;
    expect(JSON.parse(printEvent({ type: "goal-done", atMs: 1, goal, result }))).toMatchObject({
      result: { outputs: { out: "/nix/store/x" } },
    });
  });

  test("has numbers of 64 bits as text, to the last digit", () => {
    const message = { action: "stop", id: 18_446_744_073_709_551_615n } as const;
    expect(printEvent({ type: "activity", atMs: 1, goal, message })).toContain(
      '"message":{"action":"stop","id":"18446744073709551615"}',
    );
  });

  test("is one line, whatever a builder prints", () => {
    const line = printEvent({ type: "build-line", atMs: 1, goal, line: "a\nb\u2028\u0000\ud800" });
    expect(line.split(/[\r\n]/u)).toHaveLength(1);
    expect(JSON.parse(line)).toMatchObject({ type: "build-line" });
  });
});

describe("the schema of events", () => {
  test("is what the types say", () => {
    const kept = readFileSync(join(import.meta.dirname, "../events.schema.json"), "utf8");
    expect(kept, "run: node packages/goal/scripts/event-schema.mjs --write").toBe(eventSchema());
  });

  test.each([
    { name: "a member too many", event: { type: "build-line", atMs: 1, goal, line: "x", more: 1 } },
    { name: "a member too few", event: { type: "build-line", atMs: 1, goal } },
    { name: "another type of a member", event: { type: "build-line", atMs: "1", goal, line: "x" } },
    { name: "a type that nobody knows", event: { type: "news", atMs: 1 } },
  ])("refuses $name", ({ event }) => {
    expect(() => checkEvent(event as unknown as Event)).toThrow("is not as events.schema.json says");
  });
});
