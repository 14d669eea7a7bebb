import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { startUnconfined, type UnconfinedSpec } from "../ts/index.js";
import * as harness from "./harness.js";

const { bytes, facts, isRoot, newDirectory, nextHostId } = harness;

afterAll(harness.removeDirectories);

/** The supervising process reads its children from the kernel. */
const hasChildren = existsSync("/proc/thread-self/children");
const because = hasChildren ? "" : " (skipped: this kernel has no lists of children)";

function spec(script: string, changes: Partial<UnconfinedSpec> = {}): UnconfinedSpec {
  const directory = newDirectory();
  chmodSync(directory, 0o755);
  const hostUid = nextHostId();
  return {
    builder: bytes("/bin/sh"),
    argv: ["sh", "-c", script].map(bytes),
    env: ["PATH=/bin:/usr/bin"].map(bytes),
    tempDir: join(directory, "build"),
    files: [],
    hostUid,
    hostGid: isRoot ? hostUid : (process.getegid?.() ?? 0),
    personality32: false,
    ...changes,
  };
}

const build = async (script: string, changes: Partial<UnconfinedSpec> = {}) => {
  const described = spec(script, changes);
  return { ...(await harness.collect(await startUnconfined(described))), described };
};

describe.skipIf(!hasChildren)(`a builder without a sandbox${because}`, () => {
  test("sees the machine, in its build directory, with no more rights than in a sandbox", async () => {
    const files = [{ name: ".attr-x", content: bytes("text") }];
    const script =
      "echo host=$(hostname); echo cwd=$(pwd); echo uid=$(id -u); echo groups=$(id -G); umask > m; echo umask=$(cat m); " +
      "echo file=$(cat .attr-x); grep -E '^(CapEff|NoNewPrivs|Seccomp|SigIgn|SigBlk):' /proc/$$/status | sed 's/:\\t/=/'";
    const { output, status, described } = await build(script, { files });
    expect(status).toEqual({ kind: "exited", code: 0 });
    const group = described.hostGid;
    expect(facts(output)).toMatchObject({
      host: spawnSync("hostname", { encoding: "utf8" }).stdout.trim(),
      cwd: described.tempDir,
      uid: `${described.hostUid}`,
      groups: isRoot ? `${group}` : expect.stringContaining(`${group}`),
      umask: "0022",
      file: "text",
      CapEff: "0000000000000000",
      NoNewPrivs: "1",
      Seccomp: "2",
      SigIgn: "0000000000000000",
      SigBlk: "0000000000000000",
    });
    const made = statSync(join(described.tempDir, "m"));
    expect([made.uid, statSync(described.tempDir).mode & 0o777]).toEqual([described.hostUid, 0o700]);
  });

  test("has three descriptors", async () => {
    const { output } = await build("ls /proc/$$/fd; true");
    expect(output.trim().split(/\s+/)).toEqual(["0", "1", "2"]);
  });

  test("ends as it does, by code or by signal, whenever its output ends", async () => {
    for (const code of [0, 1, 7])
      expect((await build(`exit ${code}`)).status).toEqual({ kind: "exited", code });
    expect((await build("kill -TERM $$")).status).toEqual({ kind: "signalled", signal: 15 });
    expect((await build("exec >&- 2>&-; exit 5")).status).toEqual({ kind: "exited", code: 5 });
  });

  test("B28: what it left in the background ends with it, in sessions of its own too", async () => {
    const mark = `86100.${process.pid}1`;
    const script = `sleep ${mark} & setsid sleep ${mark} & (setsid sh -c 'setsid sleep ${mark} & sleep ${mark}' &) ; exit 3`;
    const { status } = await build(script);
    expect(status).toEqual({ kind: "exited", code: 3 });
    expect(harness.processesWith(mark)).toEqual([]);
  });

  test("B28: kill ends all of it, twice is once", async () => {
    const mark = `86100.${process.pid}2`;
    const running = await startUnconfined(spec(`trap '' TERM; setsid sleep ${mark} & sleep ${mark}`));
    expect(await harness.eventually(() => harness.processesWith(mark).length >= 3)).toBe(true);
    running.kill();
    running.kill();
    expect((await harness.collect(running)).status).toEqual({ kind: "signalled", signal: 9 });
    expect(harness.processesWith(mark)).toEqual([]);
  });

  test("B28: a kill that comes with the end of the output changes no status", async () => {
    for (let round = 0; round < 30; round++) {
      const running = await startUnconfined(spec("exit 4"));
      const statuses: unknown[] = [];
      for await (const event of running) {
        if (event.type === "eof") running.kill();
        if (event.type === "exit") statuses.push(event.status);
      }
      expect(statuses).toEqual([{ kind: "exited", code: 4 }]);
    }
  });

  test("B28: a builder that stops the process above it ends when it is to", async () => {
    const running = await startUnconfined(spec("kill -STOP $PPID; echo done; exit 3"));
    let end: unknown;
    for await (const event of running) {
      if (event.type === "output") running.kill();
      if (event.type === "exit") end = event.status;
    }
    expect([
      { kind: "exited", code: 3 },
      { kind: "signalled", signal: 9 },
    ]).toContainEqual(end);
  });

  test.skipIf(!isRoot)(
    "B28: none of root's can signal the process above it (skipped: not root)",
    async () => {
      const attack = "(while :; do kill -9 $S; kill -STOP $S; done) 2>/dev/null &";
      for (let round = 0; round < 20; round++) {
        const { status } = await build(`S=$PPID; ${attack} ${attack} exit 3`);
        expect(status).toEqual({ kind: "exited", code: 3 });
      }
    },
  );

  const hasCompiler = spawnSync("cc", ["--version"]).status === 0;
  test.skipIf(!hasCompiler)(
    `B28: a builder that is traced ends when it is to${hasCompiler ? "" : " (skipped: no C compiler)"}`,
    async () => {
      const folder = newDirectory();
      chmodSync(folder, 0o755);
      const source = join(harness.buildersDir, "trace.c");
      spawnSync("cc", ["-o", join(folder, "trace"), source], { stdio: "inherit" });
      // The end may be wanted before, while or after who traces becomes a child of the process above.
      for (let round = 0; round < 50; round++) {
        const running = await startUnconfined(spec("", { builder: bytes(join(folder, "trace")) }));
        let [output, end]: [string, unknown] = ["", undefined];
        for await (const event of running) {
          if (event.type === "output") output += Buffer.from(event.bytes).toString();
          if (event.type === "eof") running.kill();
          if (event.type === "exit") end = event.status;
        }
        expect(output).toMatch(/traced\n$/u);
        expect(end).toEqual({ kind: "exited", code: 7 });
      }
    },
  );

  test("B28: the end of the engine ends all of it", async () => {
    const mark = `86100.${process.pid}3`;
    const driver = harness.makeDriver();
    const hostUid = nextHostId();
    const program = `
      import { mkdirSync } from "node:fs";
      import { startUnconfined } from ${JSON.stringify(join(driver, "dist/index.js"))};
      const bytes = (text) => new TextEncoder().encode(text);
      await startUnconfined({ builder: bytes("/bin/sh"), env: [bytes("PATH=/bin:/usr/bin")], files: [], personality32: false,
        argv: ["sh", "-c", "setsid sleep ${mark} & sleep ${mark}"].map(bytes), tempDir: ${JSON.stringify(join(driver, "tmp/x"))},
        hostUid: ${hostUid}, hostGid: ${isRoot ? hostUid : process.getegid?.()} });
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "ignore" });
    // The program's own command line has the mark, too.
    expect(await harness.eventually(() => harness.processesWith(mark).length >= 4)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await harness.eventually(() => harness.processesWith(mark).length === 0)).toBe(true);
  });

  test("a builder that cannot be executed says why", async () => {
    const { output, status } = await build("", { builder: bytes("/no/such") });
    expect(output).toBe("executing '/no/such': No such file or directory");
    expect(status).toEqual({ kind: "exited", code: 1 });
  });

  test("leaves nothing of this process behind", async () => {
    await Promise.all(Array.from({ length: 8 }, () => build("echo a")));
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8")
      .split(" ")
      .filter(Boolean);
    expect(children.map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8"))).toEqual([]);
  });
});
