import { encodeBase64 } from "../bytes/base64.js";
import { compareText } from "../bytes/text.js";
import type { Derivation, DerivationOutput, DynamicInput } from "../derivation/derivation.js";
import { DrvError } from "../error.js";
import { printHash } from "../hash/print.js";
import type { OutputName } from "../store-path/name.js";
import { baseNameOf, type StorePath } from "../store-path/store-path.js";
import { splitBinary } from "./binary.js";
import { type JsonObject, type JsonValue, parseJson } from "./value.js";

/**
 * A derivation in version 4 of its JSON, in which paths go without the store directory and structured attributes are
 * an object. What is no text appears in members `envBase64`, `argsBase64` and `builderBase64` instead, only where needed.
 *
 * @throws {@link DrvError} `ERR_DRV_ATTRIBUTE` for structured attributes that are no JSON object.
 * @see Nix: src/libstore/derivations.cc, `adl_serializer<Derivation>::to_json`
 */
export function derivationToJson4(drv: Derivation): JsonObject {
  const { builder, args, env, binaryEnv } = splitBinary(drv);
  const json = env.find(([name]) => name === "__json")?.[1];
  return object([
    ["args", args === undefined ? undefined : array(args.map(string))],
    ["argsBase64", args === undefined ? array(drv.args.map((arg) => string(encodeBase64(arg)))) : undefined],
    ["builder", builder === undefined ? undefined : string(builder)],
    ["builderBase64", builder === undefined ? string(encodeBase64(drv.builder)) : undefined],
    ["env", strings(env.filter(([name]) => name !== "__json"))],
    ["envBase64", binaryEnv.length === 0 ? undefined : strings(binaryEnv)],
    ["inputs", inputs(drv)],
    ["name", string(drv.name)],
    ["outputs", object([...drv.outputs].map(([name, output]) => [name, outputToJson(output)]))],
    ["structuredAttrs", json === undefined ? undefined : structuredAttrs(json)],
    ["system", string(drv.platform)],
    ["version", number(4)],
  ]);
}

function inputs(drv: Derivation): JsonValue {
  const drvs = [...drv.inputDrvs].map(
    ([path, outputs]) => [baseNameOf(path), node(outputs, drv.dynamicInputs?.get(path))] as const,
  );
  return object([
    ["drvs", object(drvs)],
    ["srcs", array(baseNames(drv.inputSrcs))],
  ]);
}

function node(
  outputs: ReadonlySet<OutputName>,
  dynamicOutputs: ReadonlyMap<OutputName, DynamicInput> = new Map(),
): JsonValue {
  const nested = [...dynamicOutputs].map(
    ([name, inner]) => [name, node(inner.outputs, inner.dynamicOutputs)] as const,
  );
  return object([
    ["dynamicOutputs", object(nested)],
    ["outputs", array([...outputs].sort(compareText).map(string))],
  ]);
}

function outputToJson(output: DerivationOutput): JsonValue {
  switch (output.kind) {
    case "inputAddressed":
      return object([["path", string(baseNameOf(output.path))]]);
    case "deferred":
      return object([]);
    case "fixed":
      return object([
        ["hash", string(printHash(output.ca.hash, "sri"))],
        ["method", string(output.ca.method)],
      ]);
    case "floating":
    case "impure":
      return object([
        ["hashAlgo", string(output.algorithm)],
        ["impure", output.kind === "impure" ? { type: "boolean", value: true } : undefined],
        ["method", string(output.method)],
      ]);
  }
}

function structuredAttrs(json: string): JsonValue {
  const value = parseJson(json);
  if (value.type === "object") return value;
  throw new DrvError("ERR_DRV_ATTRIBUTE", `structured attributes are no object but ${value.type}`);
}

function baseNames(paths: ReadonlySet<StorePath>): readonly JsonValue[] {
  return [...paths].map(baseNameOf).sort(compareText).map(string);
}

function strings(entries: readonly (readonly [string, string])[]): JsonValue {
  return object(entries.map(([name, value]) => [name, string(value)]));
}

/** Members that are `undefined` are left out. */
function object(members: readonly (readonly [string, JsonValue | undefined])[]): JsonObject {
  return {
    type: "object",
    members: new Map(members.filter((member): member is [string, JsonValue] => member[1] !== undefined)),
  };
}

function array(items: readonly JsonValue[]): JsonValue {
  return { type: "array", items };
}

function string(value: string): JsonValue {
  return { type: "string", value };
}

function number(value: number): JsonValue {
  return { type: "number", text: String(value) };
}
