import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    digests: "src/hash/digests.ts",
    "digests-node": "src/hash/digests-node.ts",
  },
  format: ["esm"],
  target: "node20",
  // Which of the two digests modules is loaded is decided where the package is used: see "imports" in package.json.
  external: ["#digests"],
  dts: { entry: "src/index.ts" },
  clean: true,
});
