import { bytesOf, textOf } from "../bytes/text.js";
import { Environment } from "../derivation/environment.js";
import { DrvError } from "../error.js";
import { printJson } from "../json/value.js";
import { makeOutputName, type OutputName } from "../store-path/name.js";
import type { Context } from "./context.js";
import { type AttributeValue, attributeToJson, coerceToText } from "./value.js";

/** Attributes of a derivation, as Nix's `derivation` takes them: further ones become variables of the builder. */
export interface DerivationAttributes {
  readonly name: string;
  /** For example `x86_64-linux`. */
  readonly system: string;
  readonly builder: AttributeValue;
  readonly args?: readonly AttributeValue[];
  /** Names of the outputs; the first is what the derivation stands for. Default: `out`. */
  readonly outputs?: readonly string[];
  /** Makes the one output fixed: its hash in any form. Empty stands for a hash that is not known yet. */
  readonly outputHash?: string;
  readonly outputHashAlgo?: string;
  /** `nar` is another name for `recursive`. */
  readonly outputHashMode?: "flat" | "recursive" | "nar" | "text" | "git";
  /** Output paths follow from what is built: they are not known before. */
  readonly __contentAddressed?: boolean;
  /** As that, and it is built anew each time, with network. */
  readonly __impure?: boolean;
  /** Attributes reach the builder as JSON and as a shell file instead of variables. */
  readonly __structuredAttrs?: boolean;
  readonly [attribute: string]: AttributeValue | undefined;
}

/** Names of the outputs, in the order in which they are asked for. */
export function outputNamesOf({ name, outputs = ["out"] }: DerivationAttributes): readonly OutputName[] {
  const names = outputs.map((output) => makeOutputName(output));
  if (names.length === 0)
    throw new DrvError("ERR_DRV_ATTRIBUTE", `derivation '${name}' cannot have an empty set of outputs`);
  if (new Set(names).size < names.length)
    throw new DrvError("ERR_DRV_ATTRIBUTE", `derivation '${name}' has duplicate outputs`);
  if (names.some((output) => output === "drv"))
    throw new DrvError("ERR_DRV_ATTRIBUTE", "invalid derivation output name 'drv'");
  return names;
}

/** Variables whose names need not be text. */
type Variables = Iterable<readonly [name: Uint8Array, value: AttributeValue]>;

/** The variables that the attributes give; those of the outputs are not among them. */
export function environmentOf(
  attributes: DerivationAttributes,
  variables: Variables,
  context: Context,
): Environment {
  return attributes.__structuredAttrs === true
    ? structuredEnvironment(attributes, variables, context)
    : plainEnvironment(attributes, variables, context);
}

/** Attributes that are not the builder's business. */
const hidden = new Set(["args", "__ignoreNulls", "__contentAddressed", "__impure"]);

function* shown(attributes: DerivationAttributes): Iterable<readonly [name: string, value: AttributeValue]> {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || hidden.has(name)) continue;
    if (value === null && attributes["__ignoreNulls"] === true) continue;
    yield [name, value];
  }
}

function plainEnvironment(
  attributes: DerivationAttributes,
  variables: Variables,
  context: Context,
): Environment {
  const named = [...shown(attributes)].map(([name, value]) => [bytesOf(name), value] as const);
  return Environment.from(
    [...named, ...variables].map(
      ([name, value]) => [name, context.take(coerceToText(showName(name), value))] as const,
    ),
  );
}

function structuredEnvironment(
  attributes: DerivationAttributes,
  variables: Variables,
  context: Context,
): Environment {
  const named = [...variables].map(([name, value]) => [textOf(name), value] as const);
  const members = [...shown(attributes), ...named]
    .filter(([name]) => name !== "__structuredAttrs")
    .map(([name, value]) => [name, attributeToJson(name, value, (text) => context.take(text))] as const);
  const json = printJson({ type: "object", members: new Map(members) });
  return Environment.from([[bytesOf("__json"), bytesOf(json)]]);
}

function showName(name: Uint8Array): string {
  return new TextDecoder().decode(name);
}
