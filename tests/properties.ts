import fc from "fast-check";

/** Whether runs are multiplied: where time is no matter. */
export const isLong = process.env["DRVKIT_TEST_LONG"] === "1";

/** Values that each property is checked with. */
export const numRuns = isLong ? 50_000 : 1000;

/** Checks many values, the same number in every suite of properties. */
export function holds<Value>(values: fc.Arbitrary<Value>, check: (value: Value) => void): void {
  fc.assert(
    fc.property(values, (value) => {
      check(value); // What an expectation returns would count as a verdict.
    }),
    { numRuns },
  );
}
