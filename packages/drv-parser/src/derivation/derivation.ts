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

/** A derivation: how outputs are made. Containers may be in any order; the printer sorts. */
export interface Derivation {
  /** From the path of the derivation; the file does not hold it. */
  readonly name: string;
  readonly outputs: ReadonlyMap<OutputName, DerivationOutput>;
  readonly inputDrvs: ReadonlyMap<StorePath, ReadonlySet<OutputName>>;
  readonly inputSrcs: ReadonlySet<StorePath>;
  readonly platform: string;
  readonly builder: Uint8Array;
  readonly args: readonly Uint8Array[];
  readonly env: Environment;
}

/** The output paths as the derivation states them; `undefined` where it states none. */
export function outputPathsOf(drv: Derivation): ReadonlyMap<OutputName, StorePath | undefined> {
  return new Map(
    [...drv.outputs].map(([name, output]) => [name, "path" in output ? output.path : undefined]),
  );
}
