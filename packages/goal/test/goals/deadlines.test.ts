import { describe, expect, test } from "vitest";
import { Deadlines } from "../../src/goals/derivation/deadlines.js";
import { FakeClock } from "../../src/testing/index.js";

function watch(timeoutSeconds: number, maxSilentTimeSeconds: number) {
  const clock = new FakeClock();
  const expired: string[] = [];
  const deadlines = new Deadlines(clock, { timeoutSeconds, maxSilentTimeSeconds }, (message) =>
    expired.push(`${clock.monotonicMs()} ${message}`),
  );
  return { clock, expired, deadlines };
}

describe("deadlines", () => {
  test("without limits wait for nothing", () => {
    expect(watch(0, 0).clock.waiting).toBe(0);
  });

  test("`timeout` counts from the start, whatever is heard", () => {
    const { clock, expired, deadlines } = watch(10, 0);
    for (let second = 0; second < 9; second += 1) {
      clock.advance(1000);
      deadlines.heard();
    }
    expect(expired).toEqual([]);
    clock.advance(60_000);
    expect(expired).toEqual(["10000 timed out after 10 seconds"]);
    expect(clock.waiting).toBe(0);
  });

  test("`max-silent-time` counts from the last word", () => {
    const { clock, expired, deadlines } = watch(0, 5);
    clock.advance(4999);
    deadlines.heard();
    clock.advance(4999);
    deadlines.heard();
    clock.advance(60_000);
    expect(expired).toEqual(["14998 timed out after 5 seconds of silence"]);
  });

  test("the nearest of both ends it, silence first when both are due", () => {
    const both = watch(5, 5);
    both.clock.advance(5000);
    expect(both.expired).toEqual(["5000 timed out after 5 seconds of silence"]);
    const talking = watch(8, 5);
    talking.clock.advance(4000);
    talking.deadlines.heard();
    talking.clock.advance(60_000);
    expect(talking.expired).toEqual(["8000 timed out after 8 seconds"]);
  });

  test("are not early: one millisecond before nothing has happened", () => {
    const { clock, expired } = watch(10, 0);
    clock.advance(9999);
    expect(expired).toEqual([]);
    clock.advance(1);
    expect(expired).toHaveLength(1);
  });

  test("stopped never expire and leave no timer", () => {
    const { clock, expired, deadlines } = watch(10, 5);
    deadlines.stop();
    expect(clock.waiting).toBe(0);
    clock.advance(60_000);
    expect(expired).toEqual([]);
  });

  test("longer than a timer of the system can wait are waited for in parts", () => {
    const clock = new FakeClock();
    const waits: number[] = [];
    const after = clock.after.bind(clock);
    clock.after = (ms, callback) => {
      waits.push(ms);
      return after(ms, callback);
    };
    const expired: string[] = [];
    const days = 60 * 24 * 3600;
    new Deadlines(clock, { timeoutSeconds: days, maxSilentTimeSeconds: 0 }, (text) => expired.push(text));
    clock.advance(days * 1000 - 1);
    expect(expired).toEqual([]);
    clock.advance(1);
    expect(expired).toEqual([`timed out after ${days} seconds`]);
    expect(Math.max(...waits)).toBeLessThan(2 ** 31);
  });
});
