import { compareText } from "./bytes/text.js";
import { DrvError } from "./error.js";
import { makeOutputName, type OutputName } from "./store-path/name.js";
import type { StoreDir } from "./store-path/store-dir.js";
import { isDerivationPath, parseStorePath, type StorePath } from "./store-path/store-path.js";

/** Something to make valid: a path as it is, or outputs of a derivation. */
export type DerivedPath =
  | { readonly type: "opaque"; readonly path: StorePath }
  | {
      readonly type: "built";
      readonly drvPath: StorePath;
      readonly outputs: "all" | ReadonlySet<OutputName>;
    };

/**
 * `PATH`, `DRV^OUT,OUT`, `DRV^*`, or the same with `!`.
 *
 * @throws {@link DrvError} `ERR_DERIVED_PATH`, `ERR_STORE_PATH`, `ERR_OUTPUT_NAME`.
 * @see Nix: src/libstore/derived-path.cc, `DerivedPath::parse`
 */
export function parseDerivedPath(storeDir: StoreDir, text: string): DerivedPath {
  const at = text.search(/[\^!]/u);
  if (at < 0) return { type: "opaque", path: parseStorePath(storeDir, text) };
  const drvPath = parseStorePath(storeDir, text.slice(0, at));
  if (!isDerivationPath(drvPath))
    throw new DrvError("ERR_DERIVED_PATH", `'${drvPath}' is not a derivation and has no outputs`, {
      hint: "name the '.drv' before '^'",
    });
  return { type: "built", drvPath, outputs: parseOutputs(text.slice(at + 1), text) };
}

function parseOutputs(text: string, whole: string): "all" | ReadonlySet<OutputName> {
  if (text === "*") return "all";
  if (/[\^!]/u.test(text))
    throw new DrvError("ERR_DERIVED_PATH", `'${whole}' names an output of an output`, {
      hint: "dynamic derivations are not built by this version",
    });
  const names = text.split(",");
  if (names.some((name) => name === ""))
    throw new DrvError("ERR_DERIVED_PATH", `'${whole}' has an empty output name`, {
      hint: "write '^out', '^out,dev' or '^*'",
    });
  return new Set(names.map((name) => makeOutputName(name)).sort(compareText));
}

/** The text with `^`. */
export function printDerivedPath(derived: DerivedPath): string {
  if (derived.type === "opaque") return derived.path;
  return `${derived.drvPath}^${derived.outputs === "all" ? "*" : [...derived.outputs].sort(compareText).join(",")}`;
}
