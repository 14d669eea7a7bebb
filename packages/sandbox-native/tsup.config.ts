import { defineConfig } from "tsup";
import { base } from "../../tsup.base.js";

export default defineConfig({
  ...base,
  entry: { index: "ts/index.ts", trees: "ts/trees.ts" },
  dts: true,
  external: [/\.node$/, /^@drvkit\/sandbox-native-/],
});
