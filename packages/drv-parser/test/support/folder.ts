import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  baseNameOf,
  type Derivation,
  derivationNameOf,
  parseDerivation,
  type ReadDerivation,
} from "../../src/index.js";

/** Reads derivations from a folder in which they lie under the base names of their paths. */
export function readFrom(folder: string): ReadDerivation {
  const known = new Map<string, Derivation>();
  return (drvPath) => {
    const name = derivationNameOf(drvPath);
    const drv =
      known.get(drvPath) ?? parseDerivation(readFileSync(join(folder, baseNameOf(drvPath))), { name });
    known.set(drvPath, drv);
    return drv;
  };
}
