import { printAlgorithmField } from "./aterm/algorithm-field.js";
import { encodeBase64 } from "./bytes/base64.js";
import { compareText, textOf } from "./bytes/text.js";
import type { Derivation, DerivationOutput } from "./derivation/derivation.js";
import { encodeBase16 } from "./hash/print.js";

/**
 * The object that `nix show-derivation` prints of a derivation. What is no text appears in members `envBase64`,
 * `argsBase64` and `builderBase64` instead, only where needed.
 *
 * @see Nix: src/nix/show-derivation.cc, `CmdShowDerivation::run`
 */
export function derivationToJson(drv: Derivation): Readonly<Record<string, unknown>> {
  const builder = textOrUndefined(drv.builder);
  const args = drv.args.map(textOrUndefined);
  const env: [string, string][] = [];
  const binary: [string, string][] = [];
  for (const [name, value] of drv.env.entries()) {
    const [key, text] = [textOrUndefined(name), textOrUndefined(value)];
    if (key !== undefined && text !== undefined) env.push([key, text]);
    else binary.push([encodeBase64(name), encodeBase64(value)]);
  }
  const textArgs = args.every((arg) => arg !== undefined);
  return {
    outputs: sorted([...drv.outputs].map(([name, output]) => [name, outputToJson(output)])),
    inputSrcs: [...drv.inputSrcs].sort(compareText),
    inputDrvs: sorted([...drv.inputDrvs].map(([path, names]) => [path, [...names].sort(compareText)])),
    system: drv.platform,
    ...(builder === undefined ? { builderBase64: encodeBase64(drv.builder) } : { builder }),
    ...(textArgs ? { args } : { argsBase64: drv.args.map(encodeBase64) }),
    env: Object.fromEntries(env),
    ...(binary.length === 0 ? {} : { envBase64: Object.fromEntries(binary) }),
  };
}

function outputToJson(output: DerivationOutput): object {
  switch (output.kind) {
    case "inputAddressed":
      return { path: output.path };
    case "deferred":
      return {};
    case "fixed":
      return {
        path: output.path,
        hashAlgo: printAlgorithmField(output.ca.method, output.ca.hash.algorithm),
        hash: encodeBase16(output.ca.hash.digest),
      };
    case "floating":
      return { hashAlgo: printAlgorithmField(output.method, output.algorithm) };
    case "impure":
      return { hashAlgo: printAlgorithmField(output.method, output.algorithm), impure: true };
  }
}

function sorted<Value>(entries: readonly (readonly [string, Value])[]): Readonly<Record<string, Value>> {
  return Object.fromEntries([...entries].sort(([a], [b]) => compareText(a, b)));
}

function textOrUndefined(bytes: Uint8Array): string | undefined {
  try {
    return textOf(bytes);
  } catch {
    return undefined;
  }
}
