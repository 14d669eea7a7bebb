import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { watch } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError } from "./error.js";

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
  await removeControlGroup(path);
  act("make", path, () => mkdirSync(path, { mode: 0o755 }));
  try {
    // The owner makes groups below it: no deeper than that whatever names it gives them have paths.
    act("limit", path, () => writeFileSync(join(path, "cgroup.max.depth"), `${depth}`, { flag: "r+" }));
    setLimits(parent, path, options.limits ?? {});
    const { owner } = options;
    if (owner !== undefined)
      for (const file of ["", "cgroup.procs", "cgroup.threads"])
        act("give away", path, () => chownSync(join(path, file), owner.uid, owner.gid));
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
  return {
    path,
    kill: () => killAll(path),
    usage: () => readUsage(path),
    remove: () => removeControlGroup(path),
  };
}

/**
 * Ends everything in a group and in those below it and removes them; nothing if there is none.
 *
 * @throws SandboxError `ERR_CGROUP` for a directory that is no group, and for one that does not become empty.
 */
export async function removeControlGroup(path: string): Promise<void> {
  if (!existsSync(path)) return;
  if (!existsSync(join(path, "cgroup.procs"))) throw failure(`'${path}' is not a cgroup`);
  killAll(path);
  await untilEmpty(path);
  removeBelow(path);
}

/** Names have at most 255 bytes and paths 4096. */
const depth = 10;

/** What ended processes of a group have to do before it is empty takes milliseconds. */
const emptyWithinMs = 10_000;

async function untilEmpty(path: string): Promise<void> {
  const isEmpty = () => /^populated 0$/mu.test(readOrNothing(join(path, "cgroup.events")));
  if (isEmpty()) return;
  const deadline = AbortSignal.timeout(emptyWithinMs);
  const stop = new AbortController();
  const signal = AbortSignal.any([deadline, stop.signal]);
  try {
    const changes = watch(join(path, "cgroup.events"), { signal })[Symbol.asyncIterator]();
    for (;;) {
      // The watch begins with the call, so that nothing is missed between it and the look.
      const change = changes.next();
      change.catch(() => undefined);
      if (isEmpty()) return;
      await change;
    }
  } catch (error) {
    if (!deadline.aborted) throw error;
  } finally {
    stop.abort();
  }
  if (!isEmpty()) throw failure(`cannot kill cgroup '${path}'`);
}

function killAll(path: string): void {
  if (!existsSync(path)) return;
  const all = join(path, "cgroup.kill");
  if (existsSync(all)) {
    act("kill", path, () => writeFileSync(all, "1", { flag: "r+" }));
    return;
  }
  // Before Linux 5.14.
  for (const below of groupsBelow(path)) killAll(below);
  for (const pid of readOrNothing(join(path, "cgroup.procs")).split("\n").filter(Boolean)) kill(Number(pid));
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended meanwhile.
  }
}

function removeBelow(path: string): void {
  for (const below of groupsBelow(path)) removeBelow(below);
  act("remove", path, () => rmdirSync(path));
}

function groupsBelow(path: string): readonly string[] {
  return act("list", path, () => readdirSync(path, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name));
}

/** Writes what is asked for, and makes the parent give the controllers for it. */
export function setLimits(parent: string, path: string, limits: ControlGroupLimits): void {
  const period = 100_000; // microseconds, the kernel's default
  const wanted = [
    ["memory", "memory.max", limits.memoryMaxBytes?.toString()],
    ["pids", "pids.max", limits.pidsMax?.toString()],
    [
      "cpu",
      "cpu.max",
      limits.cpus === undefined ? undefined : `${Math.round(limits.cpus * period)} ${period}`,
    ],
  ] as const;
  for (const [controller, file, value] of wanted) {
    if (value === undefined) continue;
    requireController(parent, path, controller);
    act("limit", path, () => writeFileSync(join(path, file), value, { flag: "r+" }));
  }
}

function requireController(parent: string, path: string, controller: string): void {
  const has = () => readOrNothing(join(path, "cgroup.controllers")).trim().split(" ").includes(controller);
  if (has()) return;
  try {
    writeFileSync(join(parent, "cgroup.subtree_control"), `+${controller}`, { flag: "r+" });
  } catch {
    // Then it has none, as is seen next.
  }
  if (has()) return;
  throw failure(
    `the cgroup '${parent}' gives no '${controller}' controller to groups below it`,
    "start the program in a group that is delegated to it, for example with `systemd-run --user --scope -p Delegate=yes`",
  );
}

function readUsage(path: string): ControlGroupUsage {
  const text = act("read", path, () => readFileSync(join(path, "cpu.stat"), "utf8"));
  const microseconds = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, "mu").exec(text)?.[1] ?? 0);
  const peak = readOrNothing(join(path, "memory.peak")).trim();
  return {
    cpuUserMicroseconds: microseconds("user_usec"),
    cpuSystemMicroseconds: microseconds("system_usec"),
    ...(peak === "" ? {} : { memoryPeakBytes: Number(peak) }),
  };
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function act<Value>(verb: string, path: string, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint =
      code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? "only groups that are delegated to a user are its own: `systemd-run --user --scope -p Delegate=yes` starts a program in one"
        : undefined;
    throw failure(`cannot ${verb} the cgroup '${path}': ${code ?? message}`, hint, error);
  }
}

function failure(message: string, hint?: string, cause?: unknown): SandboxError {
  const fields = { code: "ERR_CGROUP" as const, message, ...(hint === undefined ? {} : { hint }) };
  return new SandboxError(fields, cause === undefined ? undefined : { cause });
}
