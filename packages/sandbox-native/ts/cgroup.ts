import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Outcome, unwrap } from "./error.js";
import { loadAddon } from "./platform.js";

/** Bounds of everything in a group together. */
export interface ControlGroupLimits {
  /** Beyond it the kernel ends processes of the group. */
  readonly memoryMaxBytes?: number;
  /** Processes and threads. */
  readonly pidsMax?: number;
  /** In parts of one processor: 1.5 is one and a half. */
  readonly cpus?: number;
}

/** What everything in a group used together. */
export interface ControlGroupUsage {
  readonly cpuUserMicroseconds: number;
  readonly cpuSystemMicroseconds: number;
  /** Absent where the group has no controller of memory. */
  readonly memoryPeakBytes?: number;
}

/** A group of its own for one build (cgroup v2). */
export interface ControlGroup {
  /** Its directory. */
  readonly path: string;
  /** SIGKILL to all processes in it and below; idempotent. */
  kill(): void;
  /** @throws SandboxError `ERR_CGROUP` */
  usage(): ControlGroupUsage;
  /** Kills, waits until nothing is in it, and removes it; idempotent. @throws SandboxError `ERR_CGROUP` */
  remove(): Promise<void>;
}

/**
 * The directory of the group that this process is in; `undefined` without a mounted cgroup v2.
 *
 * @param proc where the files of this process are
 */
export function ownControlGroup(proc = "/proc/self"): string | undefined {
  const mount = readOrNothing(join(proc, "mounts"))
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , type]) => type === "cgroup2")?.[1];
  const own = /^0::(\/.*)$/mu.exec(readOrNothing(join(proc, "cgroup")))?.[1];
  if (mount === undefined || own === undefined) return undefined;
  // A group outside of what is mounted is shown by a path that leads up.
  const path = join(mount, own);
  return !own.startsWith("/..") && existsSync(join(path, "cgroup.procs")) ? path : undefined;
}

/**
 * Makes a group below `parent`; what an earlier run left under the name is ended and removed first. `owner` may move its own
 * processes within the group.
 *
 * @throws SandboxError `ERR_CGROUP` also for a limit that the parent gives no controller for.
 * @see Nix: src/libutil/cgroup.cc
 */
export async function makeControlGroup(
  parent: string,
  name: string,
  options: { readonly limits?: ControlGroupLimits; readonly owner?: { uid: number; gid: number } } = {},
): Promise<ControlGroup> {
  const path = join(parent, name);
  const { uid, gid } = options.owner ?? {};
  unwrap(await addon().makeControlGroup(parent, name, { ...options.limits, uid, gid }));
  return {
    path,
    kill: () => unwrap(addon().killControlGroup(path)),
    usage: () => unwrap(addon().controlGroupUsage(path)),
    remove: () => removeControlGroup(path),
  };
}

/**
 * Ends everything in a group and in those below it and removes them; nothing if there is none.
 *
 * @throws SandboxError `ERR_CGROUP` for a directory that is no group, and for one that does not become empty.
 */
export async function removeControlGroup(path: string): Promise<void> {
  unwrap(await addon().removeControlGroup(path));
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

interface GroupOptions extends ControlGroupLimits {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

interface ControlGroupAddon {
  makeControlGroup(parent: string, name: string, options: GroupOptions): Promise<Outcome<void>>;
  removeControlGroup(path: string): Promise<Outcome<void>>;
  killControlGroup(path: string): Outcome<void>;
  controlGroupUsage(path: string): Outcome<ControlGroupUsage>;
}

const addon = () => loadAddon() as ControlGroupAddon;
