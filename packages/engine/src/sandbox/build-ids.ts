import { lstatSync, mkdirSync, readFileSync, type Stats } from "node:fs";
import { join } from "node:path";
import { type FileLock, lockFile } from "@drvkit/sandbox-native";
import { EngineSetupError } from "../error.js";

/** Ids outside the sandbox that one build runs under, held until `release`. */
export interface BuildIds {
  readonly uid: number;
  readonly gid: number;
  /** Whether they differ from the caller's, so that ownership of outputs can be checked. */
  readonly allocated: boolean;
  release(): void;
}

/** Ids per slot: room for builds that will ask for a whole range. */
const idsPerSlot = 65_536;
/** Where the range of Nix begins. */
const nixStartId = 872_415_232;
const nixSlots = 128;

/**
 * Where root takes the locks of its slots. Ids belong to the machine, not to a store, and a start ends what runs under
 * its id; so all stores share one place, and the one of Nix is asked too where it is: its range is the same.
 */
const machinePools: readonly IdPool[] = [
  { directory: "/run/drvkit/userpool", isNixs: false },
  { directory: "/nix/var/nix/userpool2", isNixs: true },
];

/** A directory of lock files. */
export interface IdPool {
  readonly directory: string;
  /** Nix's: a file per slot of its range, and asked only where it exists. Ours is made, with a file per user id. */
  readonly isNixs: boolean;
}

/**
 * Ids for one build. An ordinary user builds as itself; root takes the first free slot of its range, so that no
 * builder ever is root outside. `undefined` while every slot is taken.
 *
 * @throws {@link EngineSetupError} `ERR_NO_BUILD_UID` when the range has no slot or clashes with an account.
 * @see Nix: src/libstore/lock.cc, `AutoUserLock`
 */
export async function allocateBuildIds(
  range: { readonly startId: number; readonly idCount: number },
  pools: readonly IdPool[] = machinePools,
): Promise<BuildIds | undefined> {
  const [uid = 0, gid = 0] = [process.geteuid?.(), process.getegid?.()];
  if (uid !== 0) return { uid, gid, allocated: false, release: () => undefined };

  const slots = Math.floor(range.idCount / idsPerSlot);
  if (slots === 0)
    throw new EngineSetupError("ERR_NO_BUILD_UID", `'id-count' ${range.idCount} has no room for a build`, {
      hint: `give it at least ${idsPerSlot}`,
    });
  // On this thread: handing so little to another one takes longer.
  const usable = usablePools(pools);
  const accounts = accountUids();
  for (let slot = 0; slot < slots; slot += 1) {
    const id = range.startId + slot * idsPerSlot;
    if (accounts.has(id))
      throw new EngineSetupError(
        "ERR_NO_BUILD_UID",
        `auto-allocated UID ${id} clashes with existing user account`,
        {
          hint: "set 'start-id' to a range that no account uses",
        },
      );
    const release = await lockAll(usable.flatMap((pool) => lockPath(pool, id)));
    if (release !== undefined) return { uid: id, gid: id, allocated: true, release };
  }
  return undefined;
}

/** The lock of an id; none in Nix's place for an id outside the range that Nix has by default. */
function lockPath({ directory, isNixs }: IdPool, id: number): readonly string[] {
  if (!isNixs) return [join(directory, `uid-${id}`)];
  const slot = Math.floor((id - nixStartId) / idsPerSlot);
  return slot >= 0 && slot < nixSlots ? [join(directory, `slot-${slot}`)] : [];
}

function usablePools(pools: readonly IdPool[]): readonly IdPool[] {
  const usable: IdPool[] = [];
  for (const pool of pools) {
    const { directory, isNixs } = pool;
    if (!isNixs) mkdirSync(directory, { recursive: true, mode: 0o755 });
    const found = statOrNothing(directory);
    if (found?.isDirectory() && found.uid === 0 && (found.mode & 0o022) === 0) usable.push(pool);
    else if (!isNixs)
      throw new EngineSetupError("ERR_NO_BUILD_UID", `'${directory}' must be a directory of root's alone`, {
        hint: "whoever can write there could have two builds run under one user id",
      });
  }
  return usable;
}

/** All of these locks or none. */
async function lockAll(paths: readonly string[]): Promise<(() => void) | undefined> {
  const locks: FileLock[] = [];
  const release = () => {
    for (const lock of locks) lock.release();
  };
  try {
    for (const path of paths) {
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

function statOrNothing(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function accountUids(): ReadonlySet<number> {
  return new Set(
    readOrNothing("/etc/passwd")
      .split("\n")
      .map((line) => Number(line.split(":")[2])),
  );
}
