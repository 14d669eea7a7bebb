import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { holds, numRuns } from "../../../tests/properties.js";
import {
  listNar,
  NarError,
  narTreeEvents,
  parseNar,
  parseNarListing,
  printNar,
  printNarListing,
  readNarTree,
} from "../src/index.js";
import * as arbitrary from "./arbitraries.js";
import { concat, joined, pieces } from "./support/archives.js";

const archive = arbitrary.tree.map((tree) => concat(printNar(narTreeEvents(tree))));

describe("an archive", () => {
  test("is read as the tree that was printed", { timeout: 600_000 }, () => {
    holds(arbitrary.tree, (tree) => {
      expect(readNarTree(concat(printNar(narTreeEvents(tree))))).toEqual(tree);
    });
  });

  test("of whatever bytes prints to them, or is refused with a typed error", { timeout: 600_000 }, () => {
    let accepted = 0;
    holds(arbitrary.damaged(archive), (bytes) => {
      try {
        expect(concat(printNar(parseNar(bytes)))).toEqual(bytes);
        accepted += 1;
      } catch (error) {
        if (!(error instanceof NarError)) throw error;
        expect(error.offset).toBeLessThanOrEqual(bytes.length);
      }
    });
    expect(accepted).toBeGreaterThan(numRuns / 50);
    expect(accepted).toBeLessThan(numRuns);
  });

  test("gives the same events and the same refusal in whatever pieces it comes", { timeout: 600_000 }, () => {
    holds(fc.tuple(arbitrary.damaged(archive), fc.integer({ min: 1, max: 40 })), ([bytes, length]) => {
      const whole = outcome(() => joined(parseNar(bytes)));
      const split = outcome(() => joined(parseNar(pieces(bytes, length))));
      if (whole.code === "ERR_NAR_TRAILING") expect(split.code).toBe(whole.code);
      else expect(split).toEqual(whole);
    });
  });

  test("has a listing that says where everything is", { timeout: 600_000 }, () => {
    holds(archive, (bytes) => {
      const found = outcome(() => listNar(bytes));
      if (found.code === "ERR_NAR_NOT_UTF8" || found.value === undefined) return;
      expect(parseNarListing(printNarListing(found.value))).toEqual(found.value);
    });
  });
});

function outcome<Value>(run: () => Value): { value?: Value; code?: string; message?: string } {
  try {
    return { value: run() };
  } catch (error) {
    if (!(error instanceof NarError)) throw error;
    return { code: error.code, message: error.message };
  }
}
