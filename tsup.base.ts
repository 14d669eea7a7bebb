import type { Options } from "tsup";

/** How every package is built. White space and comments are read at each start of a program: they are left to the source maps. */
export const base: Options = {
  format: ["esm"],
  target: "node20",
  sourcemap: true,
  clean: true,
  esbuildOptions(options) {
    options.minifyWhitespace = true;
  },
};
