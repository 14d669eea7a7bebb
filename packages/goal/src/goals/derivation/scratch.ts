import {
  baseNameOf,
  computeRedirectedPath,
  computeScratchPath,
  type Derivation,
  derivationType,
  encodeNixBase32,
  isPure,
  makeStorePath,
  namePartOf,
  type OutputName,
  outputPathName,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import type { GoalContext } from "../../worker/context.js";
import type { OutputPaths } from "./wanted.js";

/** Where a builder writes each output. */
export type Scratch = ReadonlyMap<OutputName, StorePath>;

/** Removes what is there and is not valid: it is nothing, before a builder that is not isolated writes there and after. */
export async function removeScratch(scratch: Scratch, { ports }: GoalContext): Promise<void> {
  const { store, trees } = ports;
  const valid = await store.queryValidPaths([...scratch.values()]);
  for (const path of scratch.values()) if (!valid.has(path)) await trees.remove(store.realPathOf(path));
}

/**
 * Where the builder writes each output: the path it has, where that is known and not taken; in a sandbox it never is. An
 * impure one gets a place of its own each time.
 *
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `startBuilder`
 */
export function scratchPaths(
  storeDir: StoreDir,
  { drvPath, drv }: { readonly drvPath: StorePath; readonly drv: Derivation },
  { known, isTaken }: { readonly known: OutputPaths; readonly isTaken: (path: StorePath) => boolean },
): Scratch {
  const isImpure = !isPure(derivationType(drv));
  return new Map(
    [...known].map(([name, path]) => {
      if (path !== undefined)
        return [name, isTaken(path) ? computeRedirectedPath(storeDir, drvPath, path) : path];
      return [
        name,
        isImpure ? randomPath(storeDir, drv.name, name) : computeScratchPath(storeDir, drvPath, name),
      ];
    }),
  );
}

const hashPartBytes = 20;

function randomPath(storeDir: StoreDir, drvName: string, output: OutputName): StorePath {
  const hashPart = encodeNixBase32(crypto.getRandomValues(new Uint8Array(hashPartBytes)));
  return makeStorePath(storeDir, `${hashPart}-${outputPathName(drvName, output)}`);
}

/** What is locked for an output: its path where the derivation states it, else a name of the derivation's own. */
export function lockTargets(
  storeDir: StoreDir,
  drvPath: StorePath,
  stated: OutputPaths,
): readonly StorePath[] {
  return [...stated].map(([name, path]) => path ?? lockTarget(storeDir, drvPath, name));
}

const longestName = 211;

/** The name of the derivation with that of the output; one that is too long for a name has a path all the same. */
function lockTarget(storeDir: StoreDir, drvPath: StorePath, output: OutputName): StorePath {
  const isTooLong = namePartOf(drvPath).length + 1 + output.length > longestName;
  return isTooLong
    ? computeScratchPath(storeDir, drvPath, output)
    : makeStorePath(storeDir, `${baseNameOf(drvPath)}.${output}`);
}
