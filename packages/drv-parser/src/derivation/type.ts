import { DrvError } from "../error.js";
import type { Derivation, DerivationOutput } from "./derivation.js";

/** Kind of a derivation as a whole. */
export type DerivationType =
  | { readonly kind: "inputAddressed"; readonly deferred: boolean }
  | { readonly kind: "fixed" }
  | { readonly kind: "floating" }
  | { readonly kind: "impure" };

/**
 * The kind of a derivation from all of its outputs.
 *
 * @throws {@link DrvError} `ERR_DRV_TYPE` when they do not go together.
 * @see Nix: src/libstore/derivations.cc, `BasicDerivation::type`
 */
export function derivationType(drv: Pick<Derivation, "outputs">): DerivationType {
  const outputs = [...drv.outputs];
  const first = outputs[0]?.[1];
  if (first === undefined) throw new DrvError("ERR_DRV_TYPE", "must have at least one output");
  if (outputs.some(([, output]) => output.kind !== first.kind))
    throw new DrvError("ERR_DRV_TYPE", "can't mix derivation output types");
  switch (first.kind) {
    case "inputAddressed":
      return { kind: "inputAddressed", deferred: false };
    case "deferred":
      return { kind: "inputAddressed", deferred: true };
    case "fixed":
      if (outputs.length > 1) throw new DrvError("ERR_DRV_TYPE", "only one fixed output is allowed for now");
      if (outputs[0]?.[0] !== "out")
        throw new DrvError("ERR_DRV_TYPE", 'single fixed output must be named "out"');
      return { kind: "fixed" };
    case "floating":
      if (outputs.some(([, output]) => algorithmOf(output) !== first.algorithm))
        throw new DrvError("ERR_DRV_TYPE", "all floating outputs must use the same hash type");
      return { kind: "floating" };
    case "impure":
      return { kind: "impure" };
  }
}

function algorithmOf(output: DerivationOutput): string | undefined {
  return "algorithm" in output ? output.algorithm : undefined;
}

/** Whether every output path is known before the build. */
export function hasKnownOutputPaths(type: DerivationType): boolean {
  return type.kind === "fixed" || (type.kind === "inputAddressed" && !type.deferred);
}

/** Whether the builder has no network. */
export function isSandboxed(type: DerivationType): boolean {
  return type.kind !== "fixed" && type.kind !== "impure";
}

/** Whether the content of the output is known before the build. */
export function isFixed(type: DerivationType): boolean {
  return type.kind === "fixed";
}

/** Whether the result is to be kept: an impure one is made anew each time. */
export function isPure(type: DerivationType): boolean {
  return type.kind !== "impure";
}
