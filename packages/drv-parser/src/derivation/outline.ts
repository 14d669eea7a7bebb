import { DrvError } from "../error.js";
import type { ContentAddress } from "../store-path/content-address.js";
import type { OutputName } from "../store-path/name.js";
import type { StorePath } from "../store-path/store-path.js";
import type { Derivation, DerivationOutput } from "./derivation.js";
import { derivationOptions } from "./options.js";

/** What is known of one output before it is made. */
export interface OutlinedOutput {
  /** Absent where only a build can tell. */
  readonly path?: StorePath;
  /** Of a fixed output. */
  readonly ca?: ContentAddress;
}

/** What a derivation makes and needs, without how: enough to say what would have to be done for it. */
export interface DerivationOutline {
  readonly outputs: ReadonlyMap<OutputName, OutlinedOutput>;
  readonly inputDrvs: ReadonlyMap<StorePath, ReadonlySet<OutputName>>;
  /** `undefined` where its attributes are of a wrong type: `derivationOptions` says which. */
  readonly allowSubstitutes: boolean | undefined;
}

/** The outline of a derivation that was read. */
export function outlineOf(drvPath: StorePath, drv: Derivation): DerivationOutline {
  return {
    outputs: new Map([...drv.outputs].map(([name, output]) => [name, outlineOutput(output)])),
    inputDrvs: drv.inputDrvs,
    allowSubstitutes: allowSubstitutes(drvPath, drv),
  };
}

function outlineOutput(output: DerivationOutput): OutlinedOutput {
  switch (output.kind) {
    case "inputAddressed":
      return { path: output.path };
    case "fixed":
      return { path: output.path, ca: output.ca };
    default:
      return {};
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
