import { compareText } from "./bytes/text.js";
import { deepestNesting } from "./derivation/derivation.js";
import type { DerivedPath, DynamicDerivedPath, SingleDerivedPath } from "./derived-path.js";
import { DrvError } from "./error.js";
import { JsonPlace } from "./json/shape.js";
import type { JsonValue } from "./json/value.js";
import { makeOutputName, type OutputName } from "./store-path/name.js";
import type { StoreDir } from "./store-path/store-dir.js";
import { baseNameOf, isDerivationPath, makeStorePath, type StorePath } from "./store-path/store-path.js";

/** JSON of a derived path: a base name, or an object with `drvPath` and `outputs`. */
export type DerivedPathJson =
  | string
  | { readonly drvPath: SingleDerivedPathJson; readonly outputs: readonly string[] };

/** JSON of one store object: a base name, or an object with `drvPath` and `output`. */
export type SingleDerivedPathJson =
  | string
  | { readonly drvPath: SingleDerivedPathJson; readonly output: string };

/**
 * The JSON form of a derived path.
 *
 * @see Nix: src/libstore/derived-path.cc, `adl_serializer<DerivedPath>::to_json`
 */
export function derivedPathToJson(derived: DerivedPath | DynamicDerivedPath): DerivedPathJson {
  if (derived.type === "opaque") return baseNameOf(derived.path);
  const drvPath = derived.type === "built" ? baseNameOf(derived.drvPath) : singleToJson(derived.of);
  const outputs = derived.outputs === "all" ? ["*"] : [...derived.outputs].sort(compareText);
  return { drvPath, outputs };
}

function singleToJson(path: SingleDerivedPath): SingleDerivedPathJson {
  return path.type === "opaque"
    ? baseNameOf(path.path)
    : { drvPath: singleToJson(path.of), output: path.output };
}

/**
 * The derived path behind its JSON form.
 *
 * @throws {@link DrvError} `ERR_DRV_JSON`.
 */
export function derivedPathFromJson(value: JsonValue, storeDir: StoreDir): DerivedPath | DynamicDerivedPath {
  const json = new JsonPlace("", value);
  if (value.type === "string") return { type: "opaque", path: pathIn(json, storeDir) };
  const of = singleFromJson(json.member("drvPath"), storeDir, 0);
  const names = json.member("outputs").items;
  const outputs =
    names.length === 1 && names[0]?.string === "*" ? ("all" as const) : new Set(names.map(outputIn));
  if (outputs !== "all" && outputs.size === 0) json.member("outputs").refuse("names of outputs");
  if (of.type === "output") return { type: "dynamic", of, outputs };
  if (!isDerivationPath(of.path)) json.member("drvPath").refuse("a derivation");
  return { type: "built", drvPath: of.path, outputs };
}

function singleFromJson(json: JsonPlace, storeDir: StoreDir, depth: number): SingleDerivedPath {
  if (depth > deepestNesting)
    throw new DrvError("ERR_DRV_JSON", `more than ${deepestNesting} outputs of outputs`);
  if (json.value?.type === "string") return { type: "opaque", path: pathIn(json, storeDir) };
  const of = singleFromJson(json.member("drvPath"), storeDir, depth + 1);
  return { type: "output", of, output: outputIn(json.member("output")) };
}

function pathIn(json: JsonPlace, storeDir: StoreDir): StorePath {
  return json.within(({ string }) => makeStorePath(storeDir, string));
}

function outputIn(json: JsonPlace): OutputName {
  return json.within(({ string }) => makeOutputName(string));
}
