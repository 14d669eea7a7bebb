import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["ts/index.ts"],
  format: ["esm"],
  target: "node20",
  dts: true,
  external: [/\.node$/, /^@drvkit\/sandbox-native-/],
  clean: true,
});
