import { defineConfig } from "tsup";
import { base } from "../../tsup.base.js";

export default defineConfig({
  ...base,
  entry: ["src/index.ts", "src/hook/index.ts", "src/testing/index.ts"],
  dts: true,
});
