import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { StorePath } from "@drvkit/drv-parser";
import { afterEach, describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, type Ended, sandboxWorks } from "./drv-command.js";
import { until } from "./until.js";
import { root } from "./workspace.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";

/** A command that runs while others do. */
interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<Ended>;
}

describe.skipIf(!sandboxWorks)(`drv log --follow${why}`, { timeout: 60_000 }, () => {
  const suite = buildSuite();
  let count = 0;
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL"); // those that have not ended in a test that fails
  });

  function start(...args: readonly string[]): Running {
    const child = spawn(
      process.execPath,
      [join(root, "packages/cli/bin/drv.js"), ...args, "--store", suite.scratch.store],
      {
        cwd: suite.scratch.folder,
        env: { ...process.env, NO_COLOR: "1" },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    children.push(child);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const ended = new Promise<Ended>((resolve) =>
      child.on("close", (status) => resolve({ status, stdout, stderr })),
    );
    return { child, output: () => stdout, ended };
  }

  /** A builder that prints a line, waits until it is told to go on, prints another. */
  function paused() {
    count += 1;
    const pipe = suite.scratch.path(`go-${count}`);
    execFileSync("mkfifo", ["-m", "666", pipe]);
    const drvPath = suite.drvs.write({
      name: `paused-${count}`,
      script: `echo one; read go < /go; echo two; echo x > $out`,
    });
    const flags = ["--host-tools", "--sandbox-paths", `/go=${pipe}`];
    return {
      drvPath,
      build: (...more: readonly string[]) =>
        start("build", "--no-link", "-q", suite.drvs.fileOf(drvPath), ...flags, ...more),
      go: () => writeSync(openSync(pipe, "r+"), "go\n"),
    };
  }

  const follow = (drvPath: StorePath) => start("log", "-f", drvPath);
  const says = (running: Running, text: string) => until(() => running.output() === text);

  test("started while it is built gives what was printed, what comes, and ends with it", async () => {
    const { drvPath, build, go } = paused();
    const building = build();
    const following = follow(drvPath);
    await says(following, "one\n");
    go();
    expect(await following.ended).toMatchObject({ status: 0, stdout: "one\ntwo\n" });
    expect((await building.ended).status).toBe(0);
  });

  test("started before waits, and says so", async () => {
    const { drvPath, build, go } = paused();
    const following = follow(drvPath);
    await new Promise((resolve) => following.child.stderr?.once("data", resolve));
    const building = build();
    await says(following, "one\n");
    go();
    const ended = await following.ended;
    expect(ended).toMatchObject({ status: 0, stdout: "one\ntwo\n" });
    expect(ended.stderr).toBe(`waiting for the log of '${drvPath}'\n`);
    await building.ended;
  });

  test("started after gives the whole log, bzip2 or zstd", async () => {
    for (const compression of ["bzip2", "zstd"]) {
      const drvPath = suite.drvs.write({
        name: `ended-${compression}`,
        script: "echo all of it; echo x > $out",
      });
      await start("build", "--no-link", suite.drvs.fileOf(drvPath), "--build-log-compression", compression)
        .ended;
      expect(await follow(drvPath).ended).toMatchObject({ status: 0, stdout: "all of it\n", stderr: "" });
    }
    const logs = readdirSync(join(suite.scratch.store, "nix/var/log/nix/drvs"), { recursive: true }).join(
      "\n",
    );
    expect(logs).toMatch(/ended-zstd\.drv\.zst$/mu);
    expect(logs).toMatch(/ended-bzip2\.drv\.bz2$/mu);
  });

  test("by two readers gives both of them everything", async () => {
    const { drvPath, build, go } = paused();
    const building = build();
    const followers = [follow(drvPath), follow(drvPath)];
    await Promise.all(followers.map((each) => says(each, "one\n")));
    go();
    for (const each of followers) expect(await each.ended).toMatchObject({ status: 0, stdout: "one\ntwo\n" });
    await building.ended;
  });

  test("ends when the builder is killed", async () => {
    const { drvPath, build } = paused();
    const building = build("--timeout", "2");
    expect(await follow(drvPath).ended).toMatchObject({ status: 0, stdout: "one\n" });
    expect((await building.ended).status).toBe(101);
  });

  test("ends when the process that builds is killed, and leaves the log readable", async () => {
    const { drvPath, build } = paused();
    const building = build();
    const following = follow(drvPath);
    await says(following, "one\n");
    building.child.kill("SIGKILL");
    expect(await following.ended).toMatchObject({ status: 0, stdout: "one\n" });
    expect((await drv(["log", drvPath, "--store", suite.scratch.store])).stdout).toBe("one\n");
  });

  test("ends with an interrupt, and the build goes on", async () => {
    const { drvPath, build, go } = paused();
    const building = build();
    const following = follow(drvPath);
    await says(following, "one\n");
    following.child.kill("SIGINT");
    const ended = await following.ended;
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain("interrupted by the user");
    go();
    expect((await building.ended).status).toBe(0);
  });

  test("ends without a log when what it makes is there all the same", async () => {
    const drvPath = suite.drvs.write({ name: "unlogged", script: "echo x > $out" });
    await start("build", "--no-link", suite.drvs.fileOf(drvPath), "--no-keep-build-log").ended;
    const ended = await follow(drvPath).ended;
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain("[ERR_LOG_MISSING]");
  });

  test("has what a builder writes on one stream after it closed the other", async () => {
    for (const [name, script] of [
      ["err", "exec >&-; echo still here >&2; echo x > $out"],
      ["out", "exec 2>&-; echo still here; echo x > $out"],
    ] as const) {
      const drvPath = suite.drvs.write({ name: `closed-${name}`, script });
      expect((await start("build", "--no-link", suite.drvs.fileOf(drvPath)).ended).status).toBe(0);
      expect((await follow(drvPath).ended).stdout).toBe("still here\n");
    }
  });

  test("refuses another compression before anything is built", async () => {
    const drvPath = suite.drvs.write({ name: "refused", script: "echo x > $out" });
    const ended = await start("build", suite.drvs.fileOf(drvPath), "--build-log-compression", "rar").ended;
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain("setting 'build-log-compression' has invalid value 'rar' [ERR_SETTING]");
  });
});
