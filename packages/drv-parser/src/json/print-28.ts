import { printAlgorithmField } from "../aterm/algorithm-field.js";
import { encodeBase64 } from "../bytes/base64.js";
import { compareText } from "../bytes/text.js";
import type { Derivation, DerivationOutput } from "../derivation/derivation.js";
import { encodeBase16 } from "../hash/print.js";
import { splitBinary } from "./binary.js";

/**
 * The object that `nix show-derivation` prints of a derivation. What is no text appears in members `envBase64`,
 * `argsBase64` and `builderBase64` instead, only where needed. Nested inputs have no place in it: for those there is
 * `derivationToJson4`.
 *
 * @see Nix: src/nix/show-derivation.cc, `CmdShowDerivation::run`
 */
export function derivationToJson(drv: Derivation): Readonly<Record<string, unknown>> {
  const { builder, args, env, binaryEnv } = splitBinary(drv);
  return {
    outputs: sorted([...drv.outputs].map(([name, output]) => [name, outputToJson(output)])),
    inputSrcs: [...drv.inputSrcs].sort(compareText),
    inputDrvs: sorted([...drv.inputDrvs].map(([path, names]) => [path, [...names].sort(compareText)])),
    system: drv.platform,
    ...(builder === undefined ? { builderBase64: encodeBase64(drv.builder) } : { builder }),
    ...(args === undefined ? { argsBase64: drv.args.map(encodeBase64) } : { args }),
    env: Object.fromEntries(env),
    ...(binaryEnv.length === 0 ? {} : { envBase64: Object.fromEntries(binaryEnv) }),
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
