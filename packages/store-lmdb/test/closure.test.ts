import type { StorePath } from "@drvkit/drv-parser";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sortTopologically } from "../src/closure.js";
import { pathOf } from "./support/objects.js";

/** Edges as index pairs from higher to lower: never a cycle. */
const graph = fc
  .integer({ min: 1, max: 30 })
  .chain((size) =>
    fc.tuple(fc.constant(size), fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 90 })),
  )
  .map(([size, pairs]) => {
    const paths = Array.from({ length: size }, (_, i) => pathOf(`n${i}`));
    const edges = new Map<StorePath, Set<StorePath>>(paths.map((path) => [path, new Set()]));
    for (const [a, b] of pairs) {
      const [from, to] = [paths[Math.max(a, b)], paths[Math.min(a, b)]];
      if (from !== undefined && to !== undefined) edges.get(from)?.add(to);
    }
    return { paths, edges };
  });

describe("sortTopologically", () => {
  test("puts every path before what it refers to, each once", () => {
    fc.assert(
      fc.property(graph, ({ paths, edges }) => {
        const order = sortTopologically(paths, (path) => edges.get(path) ?? []);
        expect([...order].sort()).toEqual([...paths].sort());
        const place = new Map(order.map((path, index) => [path, index]));
        for (const [from, targets] of edges) {
          for (const to of targets) {
            if (to !== from) expect(place.get(from)).toBeLessThan(place.get(to) ?? -1);
          }
        }
      }),
    );
  });

  test("does not depend on the order in which the paths are given", () => {
    fc.assert(
      fc.property(graph, ({ paths, edges }) => {
        const referencesOf = (path: StorePath) => edges.get(path) ?? [];
        expect(sortTopologically([...paths].reverse(), referencesOf)).toEqual(
          sortTopologically(paths, referencesOf),
        );
      }),
    );
  });

  test("goes depth first in ascending order, as Nix does", () => {
    const [a, b, c] = ["a", "b", "c"].map(pathOf).sort() as [StorePath, StorePath, StorePath];
    expect(sortTopologically([a, b, c], () => [])).toEqual([c, b, a]);
    expect(sortTopologically([a, b, c], (path) => (path === a ? [c] : []))).toEqual([b, a, c]);
  });

  test("ignores edges out of the set and to itself", () => {
    const [a, b] = [pathOf("a"), pathOf("b")];
    expect(sortTopologically([a], () => [a, b])).toEqual([a]);
  });

  test("names the path that is met again and the one that leads to it", () => {
    const [a, b, c] = ["a", "b", "c"].map(pathOf).sort() as [StorePath, StorePath, StorePath];
    const edges = new Map([
      [a, [b]],
      [b, [c]],
      [c, [b]],
    ]);
    expect(() => sortTopologically([a, b, c], (path) => edges.get(path) ?? [])).toThrowError(
      expect.objectContaining({
        code: "ERR_STORE_CYCLE",
        message: `cycle detected in the references of '${b}' from '${c}'`,
      }),
    );
  });

  test("sorts a chain longer than the call stack", () => {
    const paths = Array.from({ length: 50_000 }, (_, i) => pathOf(`c${i}`));
    const next = new Map(paths.map((path, i) => [path, paths.slice(i + 1, i + 2)]));
    expect(sortTopologically(paths, (path) => next.get(path) ?? [])).toEqual(paths);
  });
});
