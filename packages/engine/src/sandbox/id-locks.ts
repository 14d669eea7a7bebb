import { lstatSync, mkdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { type FileLock, lockFile } from "@drvkit/sandbox-native";
import { EngineSetupError } from "../error.js";

/**
 * Where root takes the locks of ids. Ids belong to the machine, not to a store, and a start ends what runs under its id; so all
 * stores share one place, and those of Nix are asked too where they are: slots of its range, and users of its group.
 */
export const machinePools: readonly IdPool[] = [
  { directory: "/run/drvkit/userpool", names: "own" },
  { directory: "/nix/var/nix/userpool2", names: "slots" },
  { directory: "/nix/var/nix/userpool", names: "users" },
];

/** A directory of lock files. */
export interface IdPool {
  readonly directory: string;
  /** Ours, made if absent, has a file for each id; Nix's are asked only where they exist. */
  readonly names: "own" | "slots" | "users";
}

/** Ids per slot: room for builds that ask for a whole range. */
export const idsPerSlot = 65_536;
/** Where the range of Nix begins, and how many slots it has. */
const [nixStartId, nixSlots] = [872_415_232, 128];

/** The pools that can be used. @throws {@link EngineSetupError} `ERR_NO_BUILD_UID` for one that others could write. */
export function usablePools(pools: readonly IdPool[]): readonly IdPool[] {
  const usable: IdPool[] = [];
  for (const pool of pools) {
    const { directory, names } = pool;
    const isOwn = names === "own";
    let found = statOrNothing(directory);
    if (isOwn && found === undefined) {
      mkdirSync(directory, { recursive: true, mode: 0o755 });
      found = statOrNothing(directory);
    }
    if (found?.isDirectory() && found.uid === 0 && (found.mode & 0o022) === 0) usable.push(pool);
    else if (isOwn)
      throw new EngineSetupError("ERR_NO_BUILD_UID", `'${directory}' must be a directory of root's alone`, {
        hint: "whoever can write there could have two builds run under one user id",
      });
  }
  return usable;
}

/** Holds an id in all of the pools, or in none: what lets go of it, `undefined` where it is taken. */
export async function holdId(id: number, pools: readonly IdPool[]): Promise<(() => void) | undefined> {
  const locks: FileLock[] = [];
  const release = () => {
    for (const lock of locks) lock.release();
  };
  try {
    for (const path of pools.flatMap((pool) => lockPath(pool, id))) {
      const lock = await lockFile(path, { wait: false });
      if (lock === undefined) {
        release();
        return undefined;
      }
      locks.push(lock);
    }
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

/** The lock of an id; none in Nix's place for an id outside of the range that it has by default. */
function lockPath({ directory, names }: IdPool, id: number): readonly string[] {
  const slot = Math.floor((id - nixStartId) / idsPerSlot);
  const isInRange = slot >= 0 && slot < nixSlots;
  switch (names) {
    case "own":
      return [join(directory, `uid-${id}`)];
    case "slots":
      return isInRange ? [join(directory, `slot-${slot}`)] : [];
    case "users":
      return isInRange ? [] : [join(directory, `${id}`)];
  }
}

function statOrNothing(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
