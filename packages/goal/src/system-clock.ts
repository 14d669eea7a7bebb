import type { ClockPort } from "./ports/clock.js";

/** The machine's own clocks. */
export const systemClock: ClockPort = {
  monotonicMs: () => performance.now(),
  nowSeconds: () => Math.floor(Date.now() / 1000),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
