import { DrvError } from "../error.js";
import type { ContentAddress } from "../store-path/content-address.js";
import type { OutputName } from "../store-path/name.js";
import type { StorePath } from "../store-path/store-path.js";
import type { Derivation, DerivationOutput } from "./derivation.js";
import { derivationOptions } from "./options.js";

/** What is known of one output before it is made. */
export interface OutlinedOutput {
  readonly name: OutputName;
  /** Absent where only a build can tell. */
  readonly path?: StorePath;
  /** Of a fixed output. */
  readonly ca?: ContentAddress;
}

/** What is wanted of one input derivation; all of its outputs if no name is there. */
export interface OutlinedInput {
  readonly drvPath: StorePath;
  readonly outputs: ReadonlySet<OutputName>;
}

/** What a derivation makes and needs, without how: enough to say what would have to be done for it. */
export interface DerivationOutline {
  readonly outputs: readonly OutlinedOutput[];
  readonly inputs: readonly OutlinedInput[];
  /** `undefined` where its attributes are of a wrong type: `derivationOptions` says which. */
  readonly allowSubstitutes: boolean | undefined;
}

/** The outline of a derivation that was read. */
export function outlineOf(drvPath: StorePath, drv: Derivation): DerivationOutline {
  return {
    outputs: [...drv.outputs].map(([name, output]) => outlineOutput(name, output)),
    inputs: [...drv.inputDrvs].map(([path, outputs]) => outlineInput(drv, path, outputs)),
    allowSubstitutes: allowSubstitutes(drvPath, drv),
  };
}

/** An output that is wanted as a derivation is wanted itself. */
function outlineInput(
  { dynamicInputs }: Derivation,
  drvPath: StorePath,
  outputs: ReadonlySet<OutputName>,
): OutlinedInput {
  const nested = dynamicInputs?.get(drvPath);
  return { drvPath, outputs: nested === undefined ? outputs : new Set([...outputs, ...nested.keys()]) };
}

function outlineOutput(name: OutputName, output: DerivationOutput): OutlinedOutput {
  switch (output.kind) {
    case "inputAddressed":
      return { name, path: output.path };
    case "fixed":
      return { name, path: output.path, ca: output.ca };
    default:
      return { name };
  }
}

function allowSubstitutes(drvPath: StorePath, drv: Derivation): boolean | undefined {
  try {
    return derivationOptions(drvPath, drv).allowSubstitutes;
  } catch (error) {
    if (error instanceof DrvError) return undefined;
    throw error;
  }
}
