import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { Event } from "@drvkit/goal";
import { ownControlGroup } from "@drvkit/sandbox-native";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { sandboxWorks } from "./drv-command.js";

const own = ownControlGroup();
const canMake = own !== undefined && spawnSync("test", ["-w", own]).status === 0;
const why = !sandboxWorks
  ? " (skipped: this machine cannot build in the sandbox)"
  : canMake
    ? ""
    : " (skipped: no cgroup that this user may make groups in)";

describe.skipIf(why !== "")(`the control group of a build${why}`, () => {
  const suite = buildSuite();
  const build = async (name: string, script: string, ...flags: readonly string[]) => {
    const events = suite.scratch.path(`${name}.events`);
    const file = suite.drvs.fileOf(suite.drvs.write({ name, script, env: { PATH: "/usr/bin:/bin" } }));
    const ended = await suite.build(file, "--host-tools", "-L", "--events", events, ...flags);
    const all = readFileSync(events, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Event);
    return { ...ended, all };
  };
  const groups = () => readdirSync(own ?? "").filter((name) => name.startsWith("nix-build-"));

  test("is a layer in force, counts what the build used, and goes with it", async () => {
    const before = groups();
    const busy = "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done";
    const { status, all } = await build("busy", `(${busy}) & wait; tail -1 /proc/self/cgroup > $out`);
    expect(status).toBe(0);
    expect(all.find(({ type }) => type === "build-started")).toMatchObject({
      layers: expect.arrayContaining(["cgroup"]),
    });
    const finished = all.find((event) => event.type === "build-finished");
    expect(finished).toMatchObject({ status: "built", usage: { cpuSystemMicroseconds: expect.any(Number) } });
    expect(finished?.type === "build-finished" && finished.usage?.cpuUserMicroseconds).toBeGreaterThan(1000);
    expect(groups().filter((name) => !before.includes(name))).toEqual([]);
  });

  test("is not made where it is not wanted", async () => {
    const { all } = await build("none", "echo x > $out", "--no-use-cgroups");
    const started = all.find((event) => event.type === "build-started");
    expect(started?.type === "build-started" && started.layers.includes("cgroup")).toBe(false);
    expect(all.find((event) => event.type === "build-finished")).not.toHaveProperty("usage");
  });

  test("has the limits that are asked for, or there is no build", async () => {
    const controllers = readFileSync(`${own}/cgroup.controllers`, "utf8").trim().split(" ");
    const { status, stderr } = await build("limited", "echo x > $out", "--max-build-processes", "50");
    if (controllers.includes("pids")) expect(status).toBe(0);
    else
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining("gives no 'pids' controller to groups below it"),
      ]);
  });
});
