import type { Event } from "@drvkit/goal";
import { expect, test } from "vitest";
import { EventQueue } from "../src/build.js";

const event = (atMs: number): Event => ({ type: "run-finished", atMs, exitStatus: 0 });

test("keeps events for a reader who comes late", async () => {
  const queue = new EventQueue();
  queue.push(event(1));
  queue.push(event(2));
  queue.end();
  const seen: number[] = [];
  for await (const each of queue) seen.push(each.atMs);
  expect(seen).toEqual([1, 2]);
});

test("gives a waiting reader each event as it comes, and ends", async () => {
  const queue = new EventQueue();
  const seen: number[] = [];
  const reading = (async () => {
    for await (const each of queue) seen.push(each.atMs);
  })();
  queue.push(event(1));
  await new Promise(setImmediate);
  expect(seen).toEqual([1]);
  queue.push(event(2));
  queue.push(event(3));
  await new Promise(setImmediate);
  expect(seen).toEqual([1, 2, 3]);
  queue.end();
  await reading;
});

test("drops the oldest when nobody ever reads", async () => {
  const queue = new EventQueue();
  for (let at = 0; at < 150_000; at += 1) queue.push(event(at));
  queue.end();
  const seen: number[] = [];
  for await (const each of queue) seen.push(each.atMs);
  expect(seen.length).toBeLessThanOrEqual(100_000);
  expect(seen.at(-1)).toBe(149_999);
});

test("of much that nobody reads the oldest log lines go first, and nothing else", async () => {
  const queue = new EventQueue();
  const text = "x".repeat(1_000_000);
  queue.push(event(-1));
  for (let at = 0; at < 200; at += 1)
    queue.push({ type: "build-line", atMs: at, goal: "g", line: text } as Event);
  queue.push(event(200));
  queue.end();
  const seen: Event[] = [];
  for await (const each of queue) seen.push(each);
  expect([seen[0]?.atMs, seen.at(-1)?.atMs, seen.at(-2)?.atMs]).toEqual([-1, 200, 199]);
  const lines = seen.filter(({ type }) => type === "build-line");
  expect(lines.length).toBeGreaterThanOrEqual(8);
  expect(lines.length).toBeLessThanOrEqual(16);
});

test("whatever builds say, however much, nothing else goes for it", async () => {
  const queue = new EventQueue();
  const said = [
    { type: "build-line", line: "" },
    { type: "build-phase", phase: "" },
    { type: "message", level: "warn", text: "" },
    { type: "activity", message: { action: "stop", id: 1n } },
    { type: "activity", message: { action: "result", id: 1n, type: 101n, fields: ["x".repeat(20)] } },
    { type: "activity", message: { action: "start", id: 1n, level: 0n, type: 0n, text: "", fields: [1n] } },
    { type: "post-build-hook-line", line: "" },
  ] as const;
  queue.push(event(-1));
  for (let at = 0; at < 500_000; at += 1)
    queue.push({ ...said[at % said.length], atMs: at, goal: "g" } as Event);
  queue.push(event(500_000));
  queue.end();
  let [count, first, last]: [number, number | undefined, number | undefined] = [0, undefined, undefined];
  for await (const { atMs } of queue) {
    first ??= atMs;
    last = atMs;
    count += 1;
  }
  expect([first, last]).toEqual([-1, 500_000]);
  expect(count).toBeLessThan(150_000);
});

test("a reader who lags gets the newest lines, in order", async () => {
  const queue = new EventQueue();
  const reader = queue[Symbol.asyncIterator]();
  const line = (at: number) => ({ type: "build-line", atMs: at, goal: "g", line: "y" }) as Event;
  queue.push(line(0));
  await reader.next();
  for (let at = 1; at <= 1_000_000; at += 1) queue.push(line(at));
  queue.end();
  let [count, before, isOrdered] = [0, 0, true];
  for (let next = await reader.next(); next.done !== true; next = await reader.next()) {
    isOrdered &&= next.value.atMs > before;
    before = next.value.atMs;
    count += 1;
  }
  expect([isOrdered, before]).toEqual([true, 1_000_000]);
  expect(count).toBeLessThan(150_000);
});
