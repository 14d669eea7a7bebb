import { encodeBase64 } from "../bytes/base64.js";
import { textOrUndefined } from "../bytes/text.js";
import type { Derivation } from "../derivation/derivation.js";

/** What JSON can hold of the bytes of a derivation, and what needs base 64. */
export interface SplitBinary {
  readonly builder: string | undefined;
  /** `undefined` when one of them is no text. */
  readonly args: readonly string[] | undefined;
  readonly env: readonly (readonly [name: string, value: string])[];
  /** In base 64 both: variables of which one is no text. */
  readonly binaryEnv: readonly (readonly [name: string, value: string])[];
}

/** Tells text from other bytes. */
export function splitBinary(drv: Derivation): SplitBinary {
  const args = drv.args.map(textOrUndefined).filter((arg) => arg !== undefined);
  const env: [string, string][] = [];
  const binaryEnv: [string, string][] = [];
  for (const [name, value] of drv.env.entries()) {
    const [key, text] = [textOrUndefined(name), textOrUndefined(value)];
    if (key !== undefined && text !== undefined) env.push([key, text]);
    else binaryEnv.push([encodeBase64(name), encodeBase64(value)]);
  }
  return {
    builder: textOrUndefined(drv.builder),
    args: args.length === drv.args.length ? args : undefined,
    env,
    binaryEnv,
  };
}
