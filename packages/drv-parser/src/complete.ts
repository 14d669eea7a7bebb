import { bytesOf } from "./bytes/text.js";
import type { Derivation, DerivationOutput } from "./derivation/derivation.js";
import type { ReadDerivation } from "./modulo.js";
import { computeOutputPaths, type OutputPathOptions } from "./output-paths.js";
import { outputPlaceholder } from "./placeholder.js";
import type { OutputName } from "./store-path/name.js";

/**
 * The derivation with all that follows from the rest of it: paths of outputs that are deferred and yet computable, and
 * the variables of outputs that are missing or empty. What is stated stays, right or wrong.
 *
 * @throws as `computeOutputPaths`.
 * @see Nix: src/libstore/derivations.cc, `Derivation::fillInOutputPaths`
 */
export function completeDerivation(
  drv: Derivation,
  read: ReadDerivation,
  options: OutputPathOptions = {},
): Derivation {
  const blank = [...drv.outputs.keys()].reduce(
    (env, name) => (env.has(name) ? env : env.with(name, new Uint8Array())),
    drv.env,
  );
  const paths = computeOutputPaths({ ...drv, env: blank }, read, options);
  const outputs = new Map<OutputName, DerivationOutput>();
  let env = blank;
  for (const [name, output] of drv.outputs) {
    const path = paths.get(name);
    const isComputable = output.kind === "deferred" && path !== undefined;
    outputs.set(name, isComputable ? { kind: "inputAddressed", path } : output);
    const value = output.kind === "floating" || output.kind === "impure" ? outputPlaceholder(name) : path;
    if (blank.get(name)?.length === 0 && value !== undefined) env = env.with(name, bytesOf(value));
  }
  return { ...drv, outputs, env };
}
