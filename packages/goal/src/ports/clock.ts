/** Time as goals see it, so that a simulation can turn it. */
export interface ClockPort {
  /** Monotonic milliseconds. */
  monotonicMs(): number;
  /** Seconds since the epoch. */
  nowSeconds(): number;
  /** Calls back once after `ms`; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}
