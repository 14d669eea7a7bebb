import { type DerivationOutline, type OutputName, outlineOf, type StorePath } from "@drvkit/drv-parser";
import type { DerivationReader } from "./derivations.js";
import type { Snapshot } from "./query.js";

/** The outputs whose paths a derivation states, and those of them that are valid. */
export interface KnownOutputs {
  readonly paths: ReadonlyMap<OutputName, StorePath>;
  readonly valid: ReadonlySet<StorePath>;
}

/** Nothing for a derivation that is not valid. */
export function queryKnownOutputs(snapshot: Snapshot, drvPath: StorePath): KnownOutputs | undefined {
  const paths = snapshot.queryStatedOutputs(drvPath);
  if (paths === undefined) return undefined;
  const valid = new Set<StorePath>();
  for (const path of paths.values()) if (snapshot.isValid(path)) valid.add(path);
  return { paths, valid };
}

/** Outlines of those that are valid; one that was not stored is made from the file. */
export function queryOutlines(
  snapshot: Snapshot,
  derivations: DerivationReader,
  drvPaths: Iterable<StorePath>,
): ReadonlyMap<StorePath, DerivationOutline> {
  const outlines = new Map<StorePath, DerivationOutline>();
  const decoder = snapshot.outlineDecoder();
  for (const path of drvPaths) {
    const outline = snapshot.queryOutline(path, decoder);
    if (outline !== undefined) outlines.set(path, outline);
    else if (snapshot.isValid(path)) outlines.set(path, outlineOf(path, derivations.read(path)));
  }
  return outlines;
}
