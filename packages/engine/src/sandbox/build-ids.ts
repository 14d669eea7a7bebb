import type { BuildSpec } from "@drvkit/goal";
import { EngineSetupError } from "../error.js";
import type { Settings } from "../settings/table.js";
import { accountsById } from "./accounts.js";
import { takeBuildUser } from "./build-users.js";
import { holdId, type IdPool, idsPerSlot, machinePools, usablePools } from "./id-locks.js";

/** Ids outside the sandbox that one build runs under, held until `release`. */
export interface BuildIds {
  readonly uid: number;
  readonly gid: number;
  /** How many there are from these on. */
  readonly count: number;
  /** Whether they differ from the caller's, so that ownership of outputs can be checked. */
  readonly allocated: boolean;
  release(): void;
}

/**
 * Ids for one build. An ordinary user builds as itself; root takes a member of `build-users-group` if that is set, else the first
 * free slot of its range, so that no builder ever is root outside. `undefined` while all are taken.
 *
 * @throws {@link EngineSetupError} `ERR_NO_BUILD_UID`, `ERR_BUILD_USERS`; `ERR_UID_RANGE` for a range that there is not.
 * @see Nix: src/libstore/lock.cc
 */
export async function takeBuildIds(
  settings: Settings,
  { idRange, isolation }: Pick<BuildSpec, "idRange" | "isolation">,
): Promise<BuildIds | undefined> {
  const [uid = 0, gid = 0] = [process.geteuid?.(), process.getegid?.()];
  const group = settings["build-users-group"];
  if (idRange && (uid !== 0 || group !== ""))
    throw new EngineSetupError(
      "ERR_UID_RANGE",
      "feature 'uid-range' requires the setting 'auto-allocate-uids' to be enabled",
      { hint: "only root can give a build 65536 ids, and only where 'build-users-group' is empty" },
    );
  if (uid !== 0) return { uid, gid, count: 1, allocated: false, release: () => undefined };
  if (group !== "") return takeBuildUser(group);
  const range = { startId: settings["start-id"], idCount: settings["id-count"] };
  const ids = await allocateBuildIds(range);
  if (ids === undefined) return undefined;
  // Builds that are not isolated make their outputs in one directory: as members of one group.
  const shared = isolation === "none" ? { gid: range.startId } : {};
  return { ...ids, ...shared, count: idRange ? idsPerSlot : 1 };
}

/** The first free slot of a range. @see Nix: src/libstore/lock.cc, `AutoUserLock` */
export async function allocateBuildIds(
  range: { readonly startId: number; readonly idCount: number },
  pools: readonly IdPool[] = machinePools,
): Promise<BuildIds | undefined> {
  const slots = Math.floor(range.idCount / idsPerSlot);
  if (slots === 0)
    throw new EngineSetupError("ERR_NO_BUILD_UID", `'id-count' ${range.idCount} has no room for a build`, {
      hint: `give it at least ${idsPerSlot}`,
    });
  // On this thread: handing so little to another one takes longer.
  const usable = usablePools(pools);
  const accountOf = accountsById("/etc/passwd");
  for (let slot = 0; slot < slots; slot += 1) {
    const id = range.startId + slot * idsPerSlot;
    const account = accountOf(id);
    if (account !== undefined)
      throw new EngineSetupError(
        "ERR_NO_BUILD_UID",
        `auto-allocated UID ${id} clashes with existing user account '${account}'`,
        { hint: "set 'start-id' to a range that no account uses" },
      );
    const release = await holdId(id, usable);
    if (release !== undefined) return { uid: id, gid: id, count: 1, allocated: true, release };
  }
  return undefined;
}
