import { bytesOf } from "./bytes/text.js";
import type { Derivation, DerivationOutput } from "./derivation/derivation.js";
import type { ReadDerivation } from "./modulo.js";
import { computeOutputPaths, type OutputPathOptions } from "./output-paths.js";
import type { OutputName } from "./store-path/name.js";

/** An output, and the value of the variable that is named like it. */
export interface OutputAndValue {
  readonly output: DerivationOutput;
  readonly value: string;
}

/** The derivation with these outputs, and the variables that go with them. */
export function replaceOutputs<Drv extends Derivation>(
  drv: Drv,
  outputOf: (name: OutputName) => OutputAndValue,
): Drv {
  const outputs = new Map<OutputName, DerivationOutput>();
  let { env } = drv;
  for (const name of drv.outputs.keys()) {
    const { output, value } = outputOf(name);
    outputs.set(name, output);
    env = env.with(name, bytesOf(value));
  }
  return { ...drv, outputs, env };
}

/**
 * The derivation with the paths of its input-addressed outputs; those that only a build can tell stay deferred.
 *
 * @throws as `computeOutputPaths`.
 */
export function fillOutputPaths<Drv extends Derivation>(
  drv: Drv,
  read: ReadDerivation,
  options: OutputPathOptions,
): Drv {
  const paths = computeOutputPaths(drv, read, options);
  return replaceOutputs(drv, (name) => {
    const path = paths.get(name);
    if (path === undefined) return { output: { kind: "deferred" }, value: "" };
    return { output: { kind: "inputAddressed", path }, value: path };
  });
}
