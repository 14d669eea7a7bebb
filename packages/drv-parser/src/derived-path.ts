import { compareText } from "./bytes/text.js";
import { deepestNesting } from "./derivation/derivation.js";
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

/** One store object: a path as it is, or one output of a derivation, which may be an output itself. */
export type SingleDerivedPath =
  | { readonly type: "opaque"; readonly path: StorePath }
  | { readonly type: "output"; readonly of: SingleDerivedPath; readonly output: OutputName };

/** Outputs of a derivation that is itself an output of another one. */
export interface DynamicDerivedPath {
  readonly type: "dynamic";
  readonly of: Extract<SingleDerivedPath, { type: "output" }>;
  readonly outputs: "all" | ReadonlySet<OutputName>;
}

/**
 * `PATH`, `DRV^OUT,OUT`, `DRV^*`, or the same with `!`.
 *
 * @throws {@link DrvError} `ERR_DERIVED_PATH`, `ERR_STORE_PATH`, `ERR_OUTPUT_NAME`; outputs of outputs are refused.
 * @see Nix: src/libstore/derived-path.cc, `DerivedPath::parse`
 */
export function parseDerivedPath(storeDir: StoreDir, text: string): DerivedPath {
  const derived = parseDynamicDerivedPath(storeDir, text);
  if (derived.type !== "dynamic") return derived;
  throw new DrvError("ERR_DERIVED_PATH", `'${text}' names an output of an output`, {
    hint: "dynamic derivations are not built by this version",
  });
}

/**
 * As {@link parseDerivedPath}, and also `DRV^OUT^OUT`: outputs of the derivation that an output is.
 *
 * @throws {@link DrvError} `ERR_DERIVED_PATH`, `ERR_STORE_PATH`, `ERR_OUTPUT_NAME`.
 */
export function parseDynamicDerivedPath(storeDir: StoreDir, text: string): DerivedPath | DynamicDerivedPath {
  const [path = "", ...parts] = text.split(/[\^!]/u);
  const last = parts.pop();
  const opaque = { type: "opaque", path: parseStorePath(storeDir, path) } as const;
  if (last === undefined) return opaque;
  if (!isDerivationPath(opaque.path))
    throw new DrvError("ERR_DERIVED_PATH", `'${opaque.path}' is not a derivation and has no outputs`, {
      hint: "name the '.drv' before '^'",
    });
  if (parts.length > deepestNesting)
    throw new DrvError("ERR_DERIVED_PATH", `'${text}' has more than ${deepestNesting} outputs of outputs`);
  const outputs = parseOutputs(last, text);
  let of: SingleDerivedPath = opaque;
  for (const part of parts) of = { type: "output", of, output: makeOutputName(part) };
  return of.type === "opaque"
    ? { type: "built", drvPath: of.path, outputs }
    : { type: "dynamic", of, outputs };
}

function parseOutputs(text: string, whole: string): "all" | ReadonlySet<OutputName> {
  if (text === "*") return "all";
  const names = text.split(",");
  if (names.some((name) => name === ""))
    throw new DrvError("ERR_DERIVED_PATH", `'${whole}' has an empty output name`, {
      hint: "write '^out', '^out,dev' or '^*'",
    });
  return new Set(names.map((name) => makeOutputName(name)).sort(compareText));
}

/** The text, with `^` as commands take it or with `!` as the daemon's protocol has it. */
export function printDerivedPath(
  derived: DerivedPath | DynamicDerivedPath,
  separator: "^" | "!" = "^",
): string {
  switch (derived.type) {
    case "opaque":
      return derived.path;
    case "built":
      return derived.drvPath + separator + printOutputs(derived.outputs);
    case "dynamic":
      return printSingle(derived.of, separator) + separator + printOutputs(derived.outputs);
  }
}

function printSingle(path: SingleDerivedPath, separator: string): string {
  return path.type === "opaque" ? path.path : printSingle(path.of, separator) + separator + path.output;
}

function printOutputs(outputs: "all" | ReadonlySet<OutputName>): string {
  return outputs === "all" ? "*" : [...outputs].sort(compareText).join(",");
}
