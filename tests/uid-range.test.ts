import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ownControlGroup } from "@drvkit/sandbox-native";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { sandboxWorks } from "./drv-command.js";
import { until } from "./until.js";
import { root } from "./workspace.js";

const isRoot = process.geteuid?.() === 0;
const group = ownControlGroup();
const why = !sandboxWorks
  ? " (skipped: this machine cannot build in the sandbox)"
  : !isRoot
    ? " (skipped: only root has ids for a whole machine)"
    : group === undefined
      ? " (skipped: no cgroup v2 is mounted)"
      : "";
const env = { PATH: "/usr/sbin:/usr/bin:/bin", requiredSystemFeatures: "uid-range" };

describe.skipIf(why !== "")(`ids for a whole machine${why}`, () => {
  const suite = buildSuite();
  const build = (name: string, script: string, ...flags: readonly string[]) => {
    const drvPath = suite.drvs.write({ name, script, env });
    return suite.build(suite.drvs.fileOf(drvPath), "--host-tools", "-L", ...flags);
  };

  test("B29: the builder is root of 65536 ids, with /sys and a control group of its own", async () => {
    const script = `
      echo "ids: $(id -u):$(id -g)"; echo "map: $(echo $(cat /proc/self/uid_map))"
      echo "group: $(tail -1 /proc/self/cgroup)"; echo "sys: $(ls -d /sys/class)"
      echo own > /etc/own; echo "etc: $(cat /etc/own)"; grep nixbld /etc/passwd
      touch file; chown 65535:65535 file; echo "owner: $(stat -c %u:%g file)"
      mkdir $out; touch $out/file; chown 5:6 $out/file; (setsid sleep 86400.${process.pid} &)`;
    const { status, stderr } = await build("range", script);
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    const lines = stderr.split("\n").map((line) => line.replace(/^range> /u, ""));
    const first = /^map: 0 (\d+) 65536$/mu.exec(lines.join("\n"))?.[1];
    expect((Number(first) - 872_415_232) % 65_536).toBe(0);
    expect(lines).toEqual(
      expect.arrayContaining([
        "ids: 0:0",
        "group: 0::/",
        "sys: /sys/class",
        "etc: own",
        "nixbld:x:0:0:Nix build user:/build:/noshell",
        "owner: 65535:65535",
      ]),
    );
    expect(readdirSync(group ?? "").filter((name) => name === `nix-build-uid-${first}`)).toEqual([]);
  });

  test("B29: what it made with any of them becomes the store's", async () => {
    const drvPath = suite.drvs.write({
      name: "made",
      script: "mkdir $out; touch $out/f; chown 5:6 $out/f",
      env,
    });
    expect((await suite.build(suite.drvs.fileOf(drvPath), "--host-tools")).status).toBe(0);
    const stat = lstatSync(join(suite.scratch.store, suite.drvs.outputOf(drvPath), "f"));
    expect([stat.uid, stat.gid, stat.mode & 0o7777]).toEqual([0, 0, 0o444]);
  });

  test("B27: a builder that changed its ids ends with the engine all the same", async () => {
    const mark = `86500.${process.pid}`;
    const script = `exec setpriv --reuid 5 --regid 5 --clear-groups sleep ${mark}`;
    const drvPath = suite.drvs.write({ name: "outlives", script, env });
    const program = join(root, "packages/cli/bin/drv.js");
    const args = [
      "build",
      suite.drvs.fileOf(drvPath),
      "--no-link",
      "--host-tools",
      "--store",
      suite.scratch.store,
    ];
    const engine = spawn(process.execPath, [program, ...args], { stdio: "ignore" });
    const isRunning = () => spawnSync("pgrep", ["-f", `^sleep ${mark}`]).status === 0;
    await until(isRunning);
    engine.kill("SIGKILL");
    await once(engine, "exit");
    await until(() => !isRunning());
  });

  test("B29: the machine is as far away as from any builder", async () => {
    const script = `
      mount -o remount,rw,bind /usr 2>/dev/null && touch /usr/own 2>/dev/null && echo wrote
      echo x > /proc/sys/kernel/core_pattern && echo set; mknod disk b 8 0 && cat disk && echo read
      chmod u+s /bin/true && echo suid; ls /proc | grep -c '^[0-9]'; echo x > $out`;
    const { status, stderr } = await build("far", `set +e\n${script}`);
    expect(status).toBe(0);
    expect(stderr).not.toMatch(/^far> (?:wrote|set|read|suid)$/mu);
  });

  test("B29: they come with a control group whatever settings say, and not with members of a group", async () => {
    const off = await build("off", "tail -1 /proc/self/cgroup; echo x > $out", "--use-cgroups", "false");
    expect([off.status, off.stderr]).toEqual([0, expect.stringContaining("off> 0::/\n")]);
    const named = await build("named", "true", "--build-users-group", "root");
    expect(named.stderr).toContain(
      "feature 'uid-range' requires the setting 'auto-allocate-uids' to be enabled [ERR_UID_RANGE]",
    );
    expect(named.status).toBe(1);
  });
});

describe.skipIf(isRoot || !sandboxWorks)("an ordinary user (skipped: root, or no sandbox)", () => {
  const suite = buildSuite();

  test("B29: has no ids for a whole machine to give", async () => {
    const file = suite.drvs.fileOf(suite.drvs.write({ name: "range", script: "true", env }));
    const lacking = await suite.build(file);
    expect([lacking.status, lacking.stderr]).toEqual([
      100,
      expect.stringContaining("missing system features"),
    ]);
    const { status, stderr } = await suite.build(file, "--extra-system-features", "uid-range");
    expect([status, stderr]).toEqual([1, expect.stringContaining("[ERR_UID_RANGE]")]);
  });
});
