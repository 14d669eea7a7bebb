import { defaultStoreDir, makeOutputName, makeStorePath, type OutputName } from "@drvkit/drv-parser";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { orderOutputs } from "../../src/outputs/order.js";

const drvPath = makeStorePath(defaultStoreDir, `${"a".repeat(32)}-multi.drv`);

function order(references: Readonly<Record<string, readonly string[]>>): readonly OutputName[] {
  return orderOutputs(
    drvPath,
    new Map(
      Object.entries(references).map(([name, others]) => [
        makeOutputName(name),
        new Set(others.map((other) => makeOutputName(other))),
      ]),
    ),
  );
}

describe("the order of outputs", () => {
  test.each([
    { name: "is that of names when none needs another", references: { out: [], dev: [] }, sorted: "dev out" },
    {
      name: "has what is needed first",
      references: { dev: ["out"], out: ["lib"], lib: [] },
      sorted: "lib out dev",
    },
    { name: "does not mind references to itself", references: { out: ["out"] }, sorted: "out" },
    { name: "has one that two need once", references: { a: ["c"], b: ["c"], c: [] }, sorted: "c a b" },
  ])("$name", ({ references, sorted }) => {
    expect(order(references).join(" ")).toBe(sorted);
  });

  test.each([
    { name: "two", references: { dev: ["out"], out: ["dev"] }, ends: ["dev", "out"] },
    { name: "three", references: { a: ["b"], b: ["c"], c: ["a"] }, ends: ["a", "c"] },
    { name: "two that a third needs", references: { a: ["b"], b: ["c"], c: ["b"] }, ends: ["b", "c"] },
  ])("of $name in a circle there is none", ({ references, ends: [to, from] }) => {
    expect(() => order(references)).toThrow(
      expect.objectContaining({
        name: "OutputError",
        status: "outputRejected",
        message: `cycle detected in build of '${drvPath}' in the references of output '${to}' from output '${from}'`,
      }),
    );
  });

  test("always has every output once, after all it needs", () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const edges = fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { maxLength: 15 });
    fc.assert(
      fc.property(edges, fc.shuffledSubarray(names, { minLength: 6 }), (pairs, shuffled) => {
        const needs = new Map(shuffled.map((name) => [name, [] as string[]]));
        // From later to earlier in the shuffled order only, so that there is no circle.
        for (const [a, b] of pairs)
          needs.get(shuffled[Math.max(a, b)] ?? "")?.push(shuffled[Math.min(a, b)] ?? "");
        const sorted = order(Object.fromEntries(needs));
        expect([...sorted].sort()).toEqual(names);
        for (const [name, others] of needs)
          for (const other of others)
            expect(sorted.indexOf(other as OutputName)).toBeLessThanOrEqual(
              sorted.indexOf(name as OutputName),
            );
      }),
    );
  });
});
