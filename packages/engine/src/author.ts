import {
  type AuthoredDerivation,
  type DerivationAttributes,
  derivation as describe,
} from "@drvkit/drv-parser";
import { machineSystem } from "./settings/table.js";

/** Attributes of a derivation; the system is this machine's unless given. */
export type EngineDerivationAttributes = Omit<DerivationAttributes, "system"> & { readonly system?: string };

/**
 * Describes a derivation for this machine, with the bytes that Nix's `derivation` gives for the same attributes.
 *
 * @throws the errors of `derivation` of `@drvkit/drv-parser`.
 */
export function derivation(attributes: EngineDerivationAttributes): AuthoredDerivation {
  return describe({ system: machineSystem(), ...attributes } as DerivationAttributes);
}
