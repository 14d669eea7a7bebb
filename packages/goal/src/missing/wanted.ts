import { type ContentAddress, type Derivation, outputPathsOf, type StorePath } from "@drvkit/drv-parser";
import { unknownOutputs } from "../goals/derivation/result.js";
import type { WantedOutputs } from "../worker/wanted.js";

/** A derivation and what somebody wants of it. */
export interface Wanted {
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  /** Of the wanted outputs, those that are known. */
  readonly paths: readonly StorePath[];
  readonly isKnown: boolean;
}

/** @throws {@link GoalError} `ERR_GOAL_UNKNOWN_OUTPUT`. */
export function wantedOf(drvPath: StorePath, drv: Derivation, wanted: WantedOutputs): Wanted {
  const names = wanted.names();
  const unknown = names === "all" ? [] : names.filter((name) => !drv.outputs.has(name));
  if (unknown.length > 0) throw unknownOutputs(drvPath, drv, unknown);
  const outputs = [...outputPathsOf(drv)].filter(([name]) => wanted.has(name));
  const paths = outputs.map(([, path]) => path).filter((path) => path !== undefined);
  return { drvPath, drv, paths, isKnown: paths.length === outputs.length };
}

/** What a fixed output is made of: then it may come from a store with other paths. */
export function addressOf(drv: Derivation, path: StorePath): ContentAddress | undefined {
  for (const output of drv.outputs.values())
    if (output.kind === "fixed" && output.path === path) return output.ca;
  return undefined;
}
