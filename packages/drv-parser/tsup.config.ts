import { defineConfig } from "tsup";
import { base } from "../../tsup.base.js";

export default defineConfig({
  ...base,
  entry: {
    index: "src/index.ts",
    digests: "src/hash/digests.ts",
    "digests-node": "src/hash/digests-node.ts",
  },
  // Which of the two digests modules is loaded is decided where the package is used: see "imports" in package.json.
  external: ["#digests"],
  dts: { entry: "src/index.ts" },
});
