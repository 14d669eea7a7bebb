import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, type Ended, sandboxWorks } from "./drv-command.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";
const outsider = ["--reuid", "65533", "--regid", "65533", "--clear-groups"];
const canChangeUser = process.geteuid?.() === 0 && spawnSync("setpriv", [...outsider, "true"]).status === 0;
const env = { PATH: "/usr/bin:/bin" };

describe.skipIf(!sandboxWorks)(`the directory of a build that ended${why}`, () => {
  const suite = buildSuite();
  const builds = () => join(suite.scratch.store, "nix/var/nix/builds");
  const keptBy = (ended: Ended) => /^note: keeping build directory '(.*)'$/mu.exec(ended.stderr)?.[1];
  const mode = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);

  test("B25: stays with keep-failed and can be read, at the place that is told", async () => {
    chmodSync(suite.scratch.folder, 0o755);
    const script = "mkdir deep; echo clue > deep/file; umask 077; echo secret > private; chmod 700 .; exit 7";
    const drvPath = suite.drvs.write({ name: "kept", script, env });
    const ended = await suite.build(suite.drvs.fileOf(drvPath), "--host-tools", "--keep-failed");
    expect(ended.status).toBe(100);
    expect(ended.stderr).toContain(`builder for '${drvPath}' failed with exit code 7`);
    const kept = keptBy(ended) ?? "";
    const [top = "", ...others] = readdirSync(builds());
    expect([kept, others]).toEqual([join(builds(), top, "build"), []]);
    expect([mode(join(kept, "..")), mode(kept)]).toEqual(["755", "755"]);
    expect(readFileSync(join(kept, "deep/file"), "utf8")).toBe("clue\n");
    if (canChangeUser) {
      const read = (name: string) => spawnSync("setpriv", [...outsider, "cat", join(kept, name)]).status;
      expect([read("deep/file"), read("private")]).toEqual([0, 1]);
    }
    expect(readdirSync(join(suite.scratch.store, "nix/store")).filter((n) => n.endsWith(".chroot"))).toEqual(
      [],
    );
  });

  test.each([
    { name: "succeeded", script: "echo x > file; echo y > $out", flags: ["--keep-failed"], status: 0 },
    { name: "failed without keep-failed", script: "echo x > file; exit 7", flags: [], status: 100 },
  ])("B25: goes when the build $name", async ({ name, script, flags, status }) => {
    const before = existsSync(builds()) ? readdirSync(builds()) : [];
    const drvPath = suite.drvs.write({ name: name.replaceAll(" ", "-"), script, env });
    const ended = await suite.build(suite.drvs.fileOf(drvPath), "--host-tools", ...flags);
    expect([ended.status, keptBy(ended)]).toEqual([status, undefined]);
    expect(readdirSync(builds())).toEqual(before);
  });

  test.each([
    { name: "its output is missing", script: "echo x > file", flags: [], status: 1 },
    { name: "its output is rejected", script: "echo x > file; mkfifo $out", flags: [], status: 1 },
    {
      name: "it takes too long",
      script: "echo x > file; sleep 1000",
      flags: ["--timeout", "1"],
      status: 101,
    },
  ])("B25: stays with keep-failed when $name", async ({ name, script, flags, status }) => {
    const drvPath = suite.drvs.write({ name: name.replaceAll(" ", "-"), script, env });
    const ended = await suite.build(suite.drvs.fileOf(drvPath), "--host-tools", "--keep-failed", ...flags);
    expect(ended.status).toBe(status);
    expect(readFileSync(join(keptBy(ended) ?? "", "file"), "utf8")).toBe("x\n");
  });

  test("B25: stays with keep-failed when a check finds a difference", async () => {
    const script = "read x < /proc/sys/kernel/random/uuid; echo $x > file; echo $x > $out";
    const drvPath = suite.drvs.write({ name: "changing", script, env });
    await suite.build(suite.drvs.fileOf(drvPath), "--host-tools");
    const ended = await suite.build(suite.drvs.fileOf(drvPath), "--host-tools", "--keep-failed", "--check");
    expect(ended.status).toBe(104);
    const checked = join(suite.scratch.store, `${suite.drvs.outputOf(drvPath)}.check`);
    expect(readFileSync(join(keptBy(ended) ?? "", "file"), "utf8")).toBe(readFileSync(checked, "utf8"));
  });
});

describe.skipIf(!sandboxWorks)(`sandbox paths of the command${why}`, () => {
  const suite = buildSuite();

  test("B8: what is optional may be absent, links are copied, and a slash at the end of a file is none", async () => {
    const folder = suite.scratch.path("given");
    mkdirSync(folder);
    writeFileSync(join(folder, "file"), "content");
    symlinkSync("/no/such/target", join(folder, "link"));
    const paths = [
      "/absent=/no/such?",
      `/below=${folder}/file/x?`,
      `/l=${folder}/link`,
      `/f/=${folder}/file`,
    ];
    const script = "ls -d /absent /below 2>/dev/null || true; readlink /l; cat /f; : > $out";
    const drvPath = suite.drvs.write({ name: "paths", script, env });
    const flags = ["--host-tools", "--extra-sandbox-paths", paths.join(" ")];
    expect((await suite.build(suite.drvs.fileOf(drvPath), ...flags)).status).toBe(0);
    const { stdout } = await drv(["log", drvPath, "--store", suite.scratch.store]);
    expect(stdout).toBe("/no/such/target\ncontent");
  });

  test("B26: a set-up that fails is told with its step, its path and its reason", async () => {
    const drvPath = suite.drvs.write({ name: "no-set-up", script: ": > $out", env });
    const flags = ["--host-tools", "--extra-sandbox-paths", "/x=/no/such", "--keep-failed"];
    const ended = await suite.build(suite.drvs.fileOf(drvPath), ...flags);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain(
      'the step "bind" of the sandbox failed on "/no/such": no such file or directory',
    );
    expect(ended.stderr).toContain("[ERR_SANDBOX_SETUP]");
    expect(readdirSync(join(suite.scratch.store, "nix/var/nix/builds"))).toEqual([]);
    expect(readdirSync(join(suite.scratch.store, "nix/store")).filter((n) => n.endsWith(".chroot"))).toEqual(
      [],
    );
  });
});
