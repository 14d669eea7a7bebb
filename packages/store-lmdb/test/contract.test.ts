import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StorePort } from "@drvkit/goal";
import { type StoreUnderTest, storeContract } from "@drvkit/goal/testing";
import { describe, expectTypeOf, test } from "vitest";
import { removeTree } from "../src/files.js";
import { type LmdbStore, openStore } from "../src/index.js";

async function make(): Promise<StoreUnderTest> {
  const root = await mkdtemp(join(tmpdir(), "drvkit-contract-"));
  const store = await openStore({ root });
  return {
    store,
    async writeFile(path, content) {
      await removeTree(path); // objects cannot be written to
      await writeFile(path, content);
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await removeTree(root); // objects are read-only directories
    },
  };
}

describe("LmdbStore", () => {
  test("is what goals ask of a store", () => {
    expectTypeOf<LmdbStore>().toExtend<StorePort>();
  });

  for (const { name, run } of storeContract(make)) test(name, run);
});
