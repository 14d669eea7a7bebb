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
