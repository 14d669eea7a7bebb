import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(`packages/${path}`, import.meta.url));

/** Unit tests run on the sources; the pack test runs on what is published. */
export default defineConfig({
  resolve: {
    alias: [
      { find: /^#digests$/, replacement: source("drv-parser/src/hash/digests-node.ts") },
      { find: /^@drvkit\/goal\/(hook|testing)$/, replacement: source("goal/src/$1/index.ts") },
      { find: /^@drvkit\/engine\/settings$/, replacement: source("engine/src/settings/table.ts") },
      { find: /^@drvkit\/sandbox-native\/trees$/, replacement: source("sandbox-native/ts/trees.ts") },
      { find: /^@drvkit\/sandbox-native$/, replacement: source("sandbox-native/ts/index.ts") },
      {
        find: /^@drvkit\/(drv-parser|nar|narinfo|goal|store-lmdb|engine)$/,
        replacement: source("$1/src/index.ts"),
      },
    ],
  },
  test: {
    include: ["packages/*/test/**/*.test.ts", "tests/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
