import { join } from "node:path";
import { EngineSetupError } from "../error.js";
import { entriesOf } from "./accounts.js";
import type { BuildIds } from "./build-ids.js";
import { holdId, type IdPool, machinePools, usablePools } from "./id-locks.js";

/** Where groups, their members and locks are looked for. */
export interface UserPlaces {
  readonly etc?: string;
  readonly pools?: readonly IdPool[];
}

/**
 * The first free member of a group, in the order in which the group names them. Only accounts in files count: this process asks no
 * directory service.
 *
 * @throws {@link EngineSetupError} `ERR_BUILD_USERS`
 * @see Nix: src/libstore/lock.cc, `SimpleUserLock`
 */
export async function takeBuildUser(
  group: string,
  { etc = "/etc", pools = machinePools }: UserPlaces = {},
): Promise<BuildIds | undefined> {
  const { gid, members } = readGroup(group, etc);
  const uids = readAccounts(etc);
  const usable = usablePools(pools);
  for (const member of members) {
    const uid = uids.get(member);
    if (uid === undefined) throw refuse(`the user '${member}' in the group '${group}' does not exist`);
    if (uid === process.geteuid?.()) throw refuse(`the Nix user should not be a member of '${group}'`);
    const release = await holdId(uid, usable);
    if (release !== undefined) return { uid, gid, count: 1, allocated: true, release };
  }
  return undefined;
}

function readGroup(
  group: string,
  etc: string,
): { readonly gid: number; readonly members: readonly string[] } {
  const found = entriesOf(join(etc, "group")).find(([name]) => name === group);
  if (found === undefined)
    throw refuse(`the group '${group}' specified in 'build-users-group' does not exist`);
  const [, , gidText = "", names = ""] = found;
  const gid = parseId(gidText);
  if (gid === undefined) throw refuse(`the group '${group}' has no id in '${join(etc, "group")}'`);
  const members = names.split(",").filter((name) => name !== "");
  if (members.length === 0) throw refuse(`the build users group '${group}' has no members`);
  return { gid, members };
}

/** The first entry of a name counts, as everywhere. */
function readAccounts(etc: string): ReadonlyMap<string, number> {
  const accounts = new Map<string, number>();
  for (const [name = "", , uidText = ""] of entriesOf(join(etc, "passwd"))) {
    const uid = parseId(uidText);
    if (uid !== undefined && !accounts.has(name)) accounts.set(name, uid);
  }
  return accounts;
}

/** An empty field is no id: as a number it would be root's. */
function parseId(text: string): number | undefined {
  return /^\d+$/u.test(text) ? Number(text) : undefined;
}

function refuse(message: string): EngineSetupError {
  return new EngineSetupError("ERR_BUILD_USERS", message, {
    hint: "leave 'build-users-group' empty to let builds run under ids of 'start-id' and 'id-count'",
  });
}
