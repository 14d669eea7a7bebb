import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  beginSandbox,
  makeControlGroup,
  ownControlGroup,
  type SandboxBase,
  type SandboxError,
  type SandboxSpec,
  startSandbox,
} from "../ts/index.js";
import * as harness from "./harness.js";

const { bind, childrenOf, hasEnded, newDirectory, spec } = harness;

afterAll(harness.removeDirectories);

const refused = await harness.refusal();
const because = refused === undefined ? "" : ` (skipped: ${refused})`;

const baseOf = ({ hostUid, hostGid }: SandboxSpec): SandboxBase => ({ network: "private", hostUid, hostGid });

/** The processes that a call starts and that are left when it has settled. */
async function startedBy<Value>(call: () => Promise<Value>): Promise<readonly [Value, readonly number[]]> {
  await harness.build(["-c", "true"]); // now there is the process that helpers are copies of
  const before = new Set(childrenOf("self"));
  const value = await call();
  return [value, childrenOf("self").filter((pid) => !before.has(pid))];
}

async function outcomeOf(description: SandboxSpec, begun?: Parameters<typeof startSandbox>[1]) {
  try {
    const running = await startSandbox(description, begun);
    const { output, status } = await harness.collect(running);
    return { output, status, layers: running.layers };
  } catch (error) {
    const { code, message, step, path, errno } = error as SandboxError;
    return { code, message, step, path, errno };
  }
}

describe.skipIf(refused !== undefined)(`a sandbox that was begun ahead${because}`, () => {
  const mounts =
    "cut -d ' ' -f 4-6 /proc/self/mountinfo; cut -d ' ' -f 7- /proc/self/mountinfo | sed 's/.* - //'";
  const own = ownControlGroup();

  test.each([
    { what: "its process", script: ["/builders/report.sh"] },
    { what: "the files", script: ["/builders/view.sh"] },
    { what: "mounts and their flags", script: ["-c", mounts] },
    { what: "places to write", script: ["/builders/write.sh", "/", "/build", "/tmp", "/etc", "/nix/store"] },
    { what: "descriptors", script: ["-c", "echo /proc/self/fd/*"] },
    {
      what: "ids, groups and limits",
      script: ["-c", "cat /proc/self/uid_map /proc/self/gid_map /proc/self/limits"],
    },
    { what: "no processes of others", script: ["-c", "echo /proc/[0-9]*"] },
    { what: "the environment", script: ["-c", "env"] },
    { what: "an output and an exit code", script: ["-c", "echo a; echo b >&2; exit 3"] },
  ])("shows $what as one that was not", async ({ script }) => {
    const directory = newDirectory();
    const description = spec(directory, script);
    const atOnce = await outcomeOf(description);
    expect(atOnce).toHaveProperty("layers");
    const ahead = await outcomeOf(description, await beginSandbox(baseOf(description)));
    const plain = (outcome: typeof atOnce) => JSON.parse(JSON.stringify(outcome).replaceAll(directory, ""));
    expect(plain(ahead)).toEqual(plain(atOnce));
  });

  test.each([
    { what: "a source that is not there", changes: { binds: [bind("/no/such", "/a")] } },
    { what: "a mount that does not come about", changes: { devShmSize: "no size" } },
  ])("fails for $what as one that was not", async ({ changes }) => {
    const description = spec(newDirectory(), ["-c", "true"], changes);
    const atOnce = await outcomeOf(description);
    expect(atOnce).toHaveProperty("step");
    const [ahead, left] = await startedBy(async () =>
      outcomeOf(description, await beginSandbox(baseOf(description))),
    );
    expect(ahead).toEqual(atOnce);
    expect(left).toEqual([]);
  });

  test("is for the ids, the network and the group that it was begun with", async () => {
    const description = spec(newDirectory(), ["-c", "true"]);
    for (const other of [
      { hostUid: description.hostUid + 1 },
      { hostGid: description.hostGid + 1 },
      { network: "host" },
      { groupsMustGo: true },
      { cgroup: "/no/such" },
    ] as const) {
      const [outcome, left] = await startedBy(async () =>
        outcomeOf({ ...description, ...other }, await beginSandbox(baseOf(description))),
      );
      const message = "the sandbox was begun for another builder";
      expect(outcome).toMatchObject({ code: "ERR_SANDBOX_SPEC", message });
      expect(left).toEqual([]);
    }
    expect(existsSync(description.tempDir)).toBe(false);
  });

  test("has no network that a program connects", async () => {
    const { hostUid, hostGid } = spec(newDirectory(), []);
    const base = { network: "program", hostUid, hostGid } as unknown as SandboxBase;
    await expect(beginSandbox(base)).rejects.toMatchObject({
      code: "ERR_SANDBOX_SPEC",
      message: '"program" is neither "private" nor "host"',
    });
  });

  test("serves one start", async () => {
    const description = spec(newDirectory(), ["-c", "echo $PPID"]);
    const begun = await beginSandbox(baseOf(description));
    const first = await outcomeOf(description, begun);
    expect(await outcomeOf(description, begun)).toEqual(first);
    await begun.end();
  });

  test("that has ended meanwhile is as good as none", async () => {
    const description = spec(newDirectory(), ["-c", "echo a"]);
    const [begun, pids] = await startedBy(() => beginSandbox(baseOf(description)));
    expect(pids).toHaveLength(1);
    for (const pid of pids) process.kill(pid, "SIGKILL");
    expect(await harness.eventually(() => pids.every(hasEnded))).toBe(true);
    expect(await outcomeOf(description, begun)).toMatchObject({ output: "a\n" });
  });

  test("that nobody uses ends, and leaves one alone that was used", async () => {
    const description = spec(newDirectory(), ["-c", "read line; echo $?"]);
    const [begun, pids] = await startedBy(() => beginSandbox(baseOf(description)));
    await begun.end();
    await begun.end();
    expect(pids.filter((pid) => !hasEnded(pid))).toEqual([]);
    const used = await beginSandbox(baseOf(description));
    const running = await startSandbox(description, used);
    await used.end();
    expect(await harness.collect(running)).toMatchObject({ output: "1\n" });
  });

  test("B27: ends with its engine", async () => {
    const { hostUid, hostGid } = spec(newDirectory(), []);
    const base = JSON.stringify({ network: "private", hostUid, hostGid });
    const program = `
      import { beginSandbox } from ${JSON.stringify(join(harness.makeDriver(), "dist/index.js"))};
      const begun = await beginSandbox(${base});
      console.log("begun");
      setInterval(() => begun, 1000);
    `;
    const engine = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(engine.stdout, "data");
    const pids = childrenOf(engine.pid ?? 0);
    expect(pids.length).toBeGreaterThanOrEqual(1);
    engine.kill("SIGKILL");
    expect(await harness.eventually(() => pids.every(hasEnded))).toBe(true);
  });

  test("is in its group from the first moment", async (context) => {
    if (own === undefined) return context.skip("no cgroup v2 is mounted");
    const group = await makeControlGroup(own, `drvkit-test-${process.pid}-begun`).catch(() => undefined);
    if (group === undefined) return context.skip("no control group can be made here");
    const description = spec(newDirectory(), ["-c", "tail -1 /proc/self/cgroup"], { cgroup: group.path });
    const [begun, pids] = await startedBy(() => beginSandbox({ ...baseOf(description), cgroup: group.path }));
    expect(readFileSync(join(group.path, "cgroup.procs"), "utf8")).toBe(`${pids.join("\n")}\n`);
    expect(await outcomeOf(description, begun)).toMatchObject({ output: "0::/\n" });
    await group.remove();
  });
});
