import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { SandboxSpec } from "../ts/index.js";
import * as harness from "./harness.js";

const { isRoot, newDirectory, nextHostId } = harness;

export const works = (...command: readonly [string, ...string[]]) =>
  spawnSync(command[0], command.slice(1)).status === 0;

/** Who starts the build: what comes before the driver, ids of the builder on this machine, why that is not possible here. */
export interface Caller {
  readonly who: string;
  readonly before: readonly string[];
  readonly ids: () => readonly [number, number] | undefined;
  readonly problem: string | undefined;
}

const asNobody = isRoot ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] : [];
const [uid, gid] = isRoot ? [65534, 65534] : [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
const canBeNobody = asNobody.length === 0 || works("setpriv", ...asNobody.slice(1), process.execPath, "-v");
export const ordinary: Caller = {
  who: "an ordinary user",
  before: asNobody,
  ids: () => undefined,
  problem: canBeNobody ? undefined : "root cannot become somebody else here",
};
export const ownId = () => {
  const id = nextHostId();
  return [id, id] as const;
};
export const root: Caller = {
  who: "root",
  before: [],
  ids: ownId,
  problem: isRoot ? undefined : "this is not root",
};

const ownNamespace = ["unshare", "--user"];
const canNest = (map: readonly string[]) =>
  works("unshare", "--user", ...map, "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces");
const noNest = "user namespaces cannot be nested here";
/** Those who may change the numbers of namespaces, of a namespace of their own. */
export const nested: readonly Caller[] = [
  {
    who: "root of a user namespace",
    before: [...ownNamespace, "-r"],
    ids: () => undefined,
    problem: canNest(["-r"]) ? undefined : noNest,
  },
  {
    who: "an ordinary user of a user namespace",
    before: [...asNobody, ...ownNamespace, `--map-user=${uid}`, `--map-group=${gid}`, "--keep-caps"],
    ids: () => undefined,
    problem: canNest(["--map-user=1", "--keep-caps"]) ? ordinary.problem : noNest,
  },
];

export const [refuse, noCompiler] = compileRefuse();

function compileRefuse(): readonly [path: string, problem: string | undefined] {
  const directory = newDirectory();
  chmodSync(directory, 0o755);
  const path = join(directory, "refuse");
  const source = fileURLToPath(new URL("../testdata/refuse.c", import.meta.url));
  const { error, status } = spawnSync("cc", ["-O1", "-o", path, source]);
  if (error !== undefined) return [path, "no C compiler"];
  return [path, status === 0 ? undefined : "the C compiler does not take refuse.c"];
}

export const [EPERM, EINVAL, ENOSYS] = [1, 22, 38];
const isIntel = process.arch === "x64";
const calls = {
  clone: isIntel ? 56 : 220,
  keyctl: isIntel ? 250 : 219,
  setsid: isIntel ? 112 : 157,
  setgroups: isIntel ? 116 : 159,
  pivot_root: isIntel ? 155 : 41,
  prctl: isIntel ? 157 : 167,
  mount: isIntel ? 165 : 40,
  sethostname: isIntel ? 170 : 161,
  seccomp: isIntel ? 317 : 277,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsmount: 432,
  mount_setattr: 442,
  landlock_restrict_self: 446,
} as const;
/** A rule of `testdata/refuse.c`. */
export const rule = (call: keyof typeof calls, errno: number, condition = "") =>
  `${calls[call]}${condition}=${errno}`;

export interface Refusal {
  readonly code: "ERR_SANDBOX_UNAVAILABLE" | "ERR_SANDBOX_SETUP";
  readonly step: string;
  readonly message: string;
  /** Part of the hint; none where there is nothing to do. */
  readonly hint: string | undefined;
}

/** A layer that cannot be had. */
export const layer = (step: string, name: string, reason: string, hint: string): Refusal => ({
  code: "ERR_SANDBOX_UNAVAILABLE",
  step,
  message: `the sandbox cannot have its ${name}: ${reason}`,
  hint,
});

/** The build is refused as is said, its builder did not run, and nothing stays. */
export function expectRefusal(
  caller: Caller,
  between: readonly string[],
  expected: Refusal,
  given: Given = {},
) {
  const driver = harness.makeDriver();
  const script = ["-c", "echo ran > /build/marker; echo ran"];
  const command = harness.driverCommand(driver, script, given.ids ?? caller.ids(), given);
  const result = harness.runDriver([...caller.before, ...between, ...command], {
    TMPDIR: join(driver, "tmp"),
  });
  expect(result.error).toMatchObject({
    code: expected.code,
    step: expected.step,
    message: expect.stringContaining(expected.message),
    ...(expected.hint === undefined ? {} : { hint: expect.stringContaining(expected.hint) }),
  });
  expect(result.output).toBe("");
  expect(result.status).toBeUndefined();
  const { processes, mounts, files } = result.left ?? { processes: -1, mounts: [], files: [] };
  // The process that helpers are copies of stays for the next build; a network program was told to end.
  expect(processes).toBeOneOf(given.changes?.networkProgram === undefined ? [0, 1] : [0, 1, 2]);
  expect(mounts).toEqual([]);
  expect(files.filter((path) => !/^(chroot(\/(store|tmp))?|temp(\/build)?)$/u.test(path))).toEqual([]);
  expect(readdirSync(join(driver, "tmp"))).toHaveLength(1);
  return result;
}

interface Given {
  readonly ids?: readonly [number, number];
  readonly changes?: Partial<SandboxSpec>;
  readonly unconfined?: boolean;
}

export const skipped = (...problems: readonly (string | undefined)[]) =>
  problems.find((one) => one !== undefined);
/** A test that says in its title why it is skipped, if it is. */
export function refuses(title: string, problem: string | undefined, run: () => void | Promise<void>): void {
  test.skipIf(problem !== undefined)(`${title}${problem === undefined ? "" : ` (skipped: ${problem})`}`, run);
}
