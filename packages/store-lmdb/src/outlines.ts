import { type DerivationOutline, type OutputName, outlineOf, type StorePath } from "@drvkit/drv-parser";
import type { DerivationReader } from "./derivations.js";
import type { Snapshot } from "./query.js";

/** The outputs whose paths a derivation states, and those of them that are valid. */
export interface KnownOutputs {
  readonly paths: ReadonlyMap<OutputName, StorePath>;
  readonly valid: ReadonlySet<StorePath>;
}

type StatedOutputs = ReadonlyMap<StorePath, ReadonlyMap<OutputName, StorePath>>;

/** Of those derivations that are valid. */
export function queryStatedOutputs(snapshot: Snapshot, drvPaths: Iterable<StorePath>): StatedOutputs {
  const stated = new Map<StorePath, ReadonlyMap<OutputName, StorePath>>();
  for (const drvPath of drvPaths) {
    const paths = snapshot.queryStatedOutputs(drvPath);
    if (paths !== undefined) stated.set(drvPath, paths);
  }
  return stated;
}

/** With those that are valid; what a derivation states never changes. */
export function knownOutputs(
  snapshot: Snapshot,
  stated: StatedOutputs,
): ReadonlyMap<StorePath, KnownOutputs> {
  const known = new Map<StorePath, KnownOutputs>();
  for (const [drvPath, paths] of stated) {
    const valid = new Set<StorePath>();
    for (const path of paths.values()) if (snapshot.isValid(path)) valid.add(path);
    known.set(drvPath, { paths, valid });
  }
  return known;
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
