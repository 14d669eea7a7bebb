import type { StorePort } from "@drvkit/goal";
import { describe, expectTypeOf, test } from "vitest";
import type { LmdbStore } from "../src/index.js";

describe("LmdbStore", () => {
  test("is what goals ask of a store", () => {
    expectTypeOf<LmdbStore>().toExtend<StorePort>();
  });
});
