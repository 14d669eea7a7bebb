import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts", "src/hook/index.ts", "src/testing/index.ts"],
  format: ["esm"],
  target: "node20",
  dts: true,
  clean: true,
});
