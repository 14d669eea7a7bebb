import { compareText, textOf } from "../bytes/text.js";
import { DrvError } from "../error.js";
import type { JsonValue } from "../json/value.js";
import { AuthoredDerivation } from "./authored.js";
import { type Dependency, isDependency, joinText, Text } from "./text.js";

/** What an attribute may be. Objects only with structured attributes. */
export type AttributeValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | Text
  | Dependency
  | AuthoredDerivation
  | readonly AttributeValue[]
  | { readonly [member: string]: AttributeValue };

/** Whether `value` stands for text with dependencies. */
function isText(value: unknown): value is Text | Dependency | AuthoredDerivation {
  return value instanceof Text || isDependency(value) || value instanceof AuthoredDerivation;
}

/**
 * An attribute as the text of a variable.
 *
 * @throws {@link DrvError} `ERR_DRV_ATTRIBUTE` for an object.
 * @see Nix: src/libexpr/eval.cc, `EvalState::coerceToString`
 */
export function coerceToText(name: string, value: AttributeValue): Text {
  if (typeof value === "string" || value instanceof Uint8Array || isText(value)) return joinText([value]);
  if (value === null || value === false) return joinText([]);
  if (value === true) return joinText(["1"]);
  if (typeof value === "bigint") return joinText([value.toString()]);
  if (typeof value === "number")
    return joinText([Number.isSafeInteger(value) ? value : printFloat(name, value)]);
  if (isList(value))
    return joinText(
      value.flatMap((item, index) => [coerceToText(name, item), ...blankAfter(item, index, value.length)]),
    );
  throw new DrvError("ERR_DRV_ATTRIBUTE", `attribute '${name}' is an object, which a variable cannot hold`, {
    hint: "set __structuredAttrs: true",
  });
}

/** A blank between items, but none after an empty list. */
function blankAfter(item: AttributeValue, index: number, length: number): readonly string[] {
  const isEmptyList = isList(item) && item.length === 0;
  return index < length - 1 && !isEmptyList ? [" "] : [];
}

function isList(value: AttributeValue): value is readonly AttributeValue[] {
  return Array.isArray(value);
}

/** Six decimals, as C++'s `std::to_string` prints. */
function printFloat(name: string, value: number): string {
  if (!Number.isFinite(value))
    throw new DrvError("ERR_DRV_ATTRIBUTE", `attribute '${name}' is not a finite number`);
  return value.toFixed(6);
}

/** An attribute as JSON; what it depends on is given to `depend`. */
export function attributeToJson(
  name: string,
  value: AttributeValue,
  depend: (text: Text) => void,
): JsonValue {
  if (typeof value === "string") return { type: "string", value };
  if (value instanceof Uint8Array) return { type: "string", value: textOf(value) };
  if (isText(value)) {
    const text = joinText([value]);
    depend(text);
    return { type: "string", value: text.value };
  }
  if (value === null) return { type: "null" };
  if (typeof value === "boolean") return { type: "boolean", value };
  if (typeof value === "bigint") return { type: "number", text: value.toString() };
  if (typeof value === "number") {
    if (!Number.isFinite(value))
      throw new DrvError("ERR_DRV_ATTRIBUTE", `attribute '${name}' is not a finite number`);
    return { type: "number", text: String(value) };
  }
  if (isList(value))
    return { type: "array", items: value.map((item) => attributeToJson(name, item, depend)) };
  const members = Object.entries(value).sort(([a], [b]) => compareText(a, b));
  return {
    type: "object",
    members: new Map(
      members.map(([key, member]) => [key, attributeToJson(`${name}.${key}`, member, depend)]),
    ),
  };
}
