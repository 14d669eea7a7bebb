import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { makeControlGroup, ownControlGroup, removeControlGroup, startSandbox } from "../ts/index.js";
import * as harness from "./harness.js";

const { isRoot, newDirectory, nextHostId, spec } = harness;

afterAll(harness.removeDirectories);

const own = ownControlGroup();
const refused = await refusal();
const because = refused === undefined ? "" : ` (skipped: ${refused})`;

/** Why no group can be made here. */
async function refusal(): Promise<string | undefined> {
  if (own === undefined) return "no cgroup v2 is mounted";
  try {
    await (await makeControlGroup(own, nameOf("trial"))).remove();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function nameOf(what: string): string {
  return `drvkit-test-${process.pid}-${what}`;
}

const processesIn = (path: string) =>
  readFileSync(join(path, "cgroup.procs"), "utf8").split("\n").filter(Boolean);

describe.skipIf(refused !== undefined)(`a control group${because}`, () => {
  const make = (what: string, options: Parameters<typeof makeControlGroup>[2] = {}) =>
    makeControlGroup(own ?? "", nameOf(what), options);

  test("has a builder from the first to the last, is all it sees of groups, and ends it", async () => {
    const group = await make("builder");
    const mark = `86200.${process.pid}1`;
    const script = `tail -1 /proc/self/cgroup; setsid sleep ${mark} & sleep ${mark}`;
    const running = await startSandbox(spec(newDirectory(), ["-c", script], { cgroup: group.path }));
    expect(running.layers).toContain("cgroup");
    expect(processesIn(group.path)).toContain(`${running.pid}`);
    expect(await harness.eventually(() => harness.processesWith(mark).length >= 3)).toBe(true);
    group.kill();
    group.kill();
    const { output, status } = await harness.collect(running);
    expect([output, status]).toEqual(["0::/\n", { kind: "signalled", signal: 9 }]);
    expect(harness.processesWith(mark)).toEqual([]);
    await group.remove();
    await group.remove();
    expect(existsSync(group.path)).toBe(false);
  });

  test("counts the time of all processes", async () => {
    const group = await make("usage");
    const busy = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done";
    const running = await startSandbox(
      spec(newDirectory(), ["-c", `(${busy}) & wait`], { cgroup: group.path }),
    );
    await harness.collect(running);
    const { cpuUserMicroseconds, cpuSystemMicroseconds } = group.usage();
    expect(cpuUserMicroseconds).toBeGreaterThan(1000);
    expect(cpuSystemMicroseconds).toBeGreaterThanOrEqual(0);
    await group.remove();
  });

  test("takes the name of one that an earlier run left, with what runs in it and below it", async () => {
    const left = await make("left");
    mkdirSync(join(left.path, "below"));
    const sleeper = spawn("sleep", ["1000"], { stdio: "ignore" });
    const ended = once(sleeper, "exit");
    writeFileSync(join(left.path, "below/cgroup.procs"), `${sleeper.pid}`);
    const group = await make("left");
    expect(await ended).toEqual([null, "SIGKILL"]);
    expect(readdirSync(group.path)).not.toContain("below");
    await group.remove();
  });

  test.skipIf(!isRoot)("belongs to its owner (skipped: not root)", async () => {
    const [uid, gid] = [nextHostId(), nextHostId()];
    const group = await make("owner", { owner: { uid, gid } });
    for (const file of ["", "cgroup.procs", "cgroup.threads"]) {
      const stat = statSync(join(group.path, file));
      expect([stat.uid, stat.gid]).toEqual([uid, gid]);
    }
    expect(statSync(join(group.path, "cgroup.kill")).uid).toBe(0);
    await group.remove();
  });

  test("goes whatever its owner made below it, as deep as it may", async () => {
    const group = await make("deep");
    const name = "0".repeat(200);
    let path = group.path;
    const nest = () => {
      path = join(path, name);
      mkdirSync(path);
    };
    for (let level = 0; level < 10; level++) nest();
    expect(nest).toThrow(expect.objectContaining({ code: "EAGAIN" }));
    await group.remove();
    expect(existsSync(group.path)).toBe(false);
  });

  test("without a controller takes no limit, and nothing of it stays", async () => {
    const controllers = readFileSync(join(own ?? "", "cgroup.controllers"), "utf8")
      .trim()
      .split(" ");
    if (controllers.includes("memory")) return; // then the limit is taken
    await expect(make("limit", { limits: { memoryMaxBytes: 1e9 } })).rejects.toMatchObject({
      code: "ERR_CGROUP",
      message: `the cgroup '${own}' gives no 'memory' controller to groups below it`,
      hint: expect.stringContaining("Delegate=yes"),
    });
    expect(existsSync(join(own ?? "", nameOf("limit")))).toBe(false);
  });
});

describe("the group of this process", () => {
  const processFiles = (mounts: string, cgroup: string) => {
    const proc = newDirectory();
    writeFileSync(join(proc, "mounts"), mounts);
    writeFileSync(join(proc, "cgroup"), cgroup);
    return proc;
  };
  const tree = () => {
    const mount = newDirectory();
    mkdirSync(join(mount, "user.slice"));
    writeFileSync(join(mount, "user.slice/cgroup.procs"), "");
    return mount;
  };

  test("is below the first mount of its type", () => {
    const mount = tree();
    const mounts = `none /x tmpfs rw 0 0\ncgroup2 ${mount} cgroup2 rw 0 0\n`;
    expect(ownControlGroup(processFiles(mounts, "1:name=systemd:/y\n0::/user.slice\n"))).toBe(
      join(mount, "user.slice"),
    );
  });

  test.each([
    { name: "without a mount", mounts: "", cgroup: "0::/user.slice\n" },
    { name: "of another version", mounts: "c MOUNT cgroup2 rw 0 0\n", cgroup: "1:memory:/user.slice\n" },
    { name: "outside of what is mounted", mounts: "c MOUNT cgroup2 rw 0 0\n", cgroup: "0::/../other\n" },
    { name: "that is not there", mounts: "c MOUNT cgroup2 rw 0 0\n", cgroup: "0::/other\n" },
  ])("is unknown $name", ({ mounts, cgroup }) => {
    expect(ownControlGroup(processFiles(mounts.replace("MOUNT", tree()), cgroup))).toBeUndefined();
  });
});

test("a directory that is no group is not removed", async () => {
  const directory = newDirectory();
  await expect(removeControlGroup(directory)).rejects.toMatchObject({
    code: "ERR_CGROUP",
    message: `'${directory}' is not a cgroup`,
  });
  await removeControlGroup(join(directory, "absent"));
});
