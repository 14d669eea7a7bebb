import type { HashAlgorithm } from "../hash/hash.js";
import type { ContentAddress, ContentAddressMethod } from "../store-path/content-address.js";
import type { OutputName } from "../store-path/name.js";
import type { StorePath } from "../store-path/store-path.js";
import type { Environment } from "./environment.js";

/** One output of a derivation. `deferred`: input-addressed, but not computable yet. */
export type DerivationOutput =
  | { readonly kind: "inputAddressed"; readonly path: StorePath }
  | { readonly kind: "fixed"; readonly ca: ContentAddress; readonly path: StorePath }
  | { readonly kind: "floating"; readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm }
  | { readonly kind: "deferred" }
  | { readonly kind: "impure"; readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm };

/** How many outputs of outputs are read at most: more than anybody nests. */
export const deepestNesting = 64;

/** What is wanted of a derivation that an output of another one is. */
export interface DynamicInput {
  readonly outputs: ReadonlySet<OutputName>;
  /** Outputs that are derivations themselves, and what is wanted of those. */
  readonly dynamicOutputs: ReadonlyMap<OutputName, DynamicInput>;
}

/** A derivation: how outputs are made. Containers may be in any order; the printer sorts. */
export interface Derivation {
  /** From the path of the derivation; the file does not hold it. */
  readonly name: string;
  readonly outputs: ReadonlyMap<OutputName, DerivationOutput>;
  readonly inputDrvs: ReadonlyMap<StorePath, ReadonlySet<OutputName>>;
  /**
   * What is wanted of outputs of input derivations that are derivations themselves. Absent in nearly all: without it the
   * derivation is written in the form that every Nix reads. Each of its paths is one of `inputDrvs` too.
   */
  readonly dynamicInputs?: ReadonlyMap<StorePath, ReadonlyMap<OutputName, DynamicInput>>;
  readonly inputSrcs: ReadonlySet<StorePath>;
  readonly platform: string;
  readonly builder: Uint8Array;
  readonly args: readonly Uint8Array[];
  readonly env: Environment;
}

/** A derivation without input derivations: what they made is among its sources. */
export interface BasicDerivation extends Derivation {
  readonly inputDrvs: ReadonlyMap<StorePath, never>;
  readonly dynamicInputs?: never;
}

/** The output paths as the derivation states them; `undefined` where it states none. */
export function outputPathsOf(drv: Derivation): ReadonlyMap<OutputName, StorePath | undefined> {
  return new Map(
    [...drv.outputs].map(([name, output]) => [name, "path" in output ? output.path : undefined]),
  );
}
