import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "ts/index.ts", trees: "ts/trees.ts" },
  format: ["esm"],
  target: "node20",
  dts: true,
  external: [/\.node$/, /^@drvkit\/sandbox-native-/],
  clean: true,
});
