import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { makeControlGroup, ownControlGroup } from "@drvkit/sandbox-native";
import { afterAll, describe, expect, test } from "vitest";
import { ControlGroups } from "../src/sandbox/control-groups.js";
import { defaultSettings, type Settings } from "../src/settings/table.js";

const folder = mkdtempSync(join(tmpdir(), "drvkit-groups-"));
afterAll(() => rmSync(folder, { recursive: true }));

const own = ownControlGroup();
const canMake = own !== undefined && spawnSync("test", ["-w", own]).status === 0;
const because = canMake ? "" : " (skipped: no cgroup that this user may make groups in)";

const ids = (uid: number, allocated: boolean) => ({
  uid,
  gid: uid,
  count: 1,
  allocated,
  release: () => undefined,
});
const groups = (settings: Partial<Settings>, parent: string | undefined = own, stateDir = folder) =>
  new ControlGroups({ stateDir, parent }, { ...defaultSettings(), ...settings });
/** An id that no other test has. */
const uid = 870_000_000 + process.pid;

describe.skipIf(!canMake)(`control groups of builds${because}`, () => {
  test("are named for the user id, and what an earlier run left elsewhere under it goes", async () => {
    const other = await makeControlGroup(own ?? "", `drvkit-test-${process.pid}-other`);
    const elsewhere = await makeControlGroup(other.path, `nix-build-uid-${uid}`);
    const sleeper = spawn("sleep", ["1000"], { stdio: "ignore" });
    writeFileSync(join(elsewhere.path, "cgroup.procs"), `${sleeper.pid}`);
    const stateDir = mkdtempSync(join(folder, "state-"));
    mkdirSync(join(stateDir, "cgroups"));
    writeFileSync(join(stateDir, "cgroups", `${uid}`), elsewhere.path);
    const group = await groups({}, own, stateDir).make(ids(uid, true), false);
    expect(group?.path).toBe(join(own ?? "", `nix-build-uid-${uid}`));
    expect([existsSync(elsewhere.path), readFileSync(join(stateDir, "cgroups", `${uid}`), "utf8")]).toEqual([
      false,
      group?.path,
    ]);
    await group?.remove();
    await other.remove();
  });

  test("leaves a group alone that a record names and that is none of a build", async () => {
    const other = await makeControlGroup(own ?? "", `drvkit-test-${process.pid}-foreign`);
    const stateDir = mkdtempSync(join(folder, "state-"));
    mkdirSync(join(stateDir, "cgroups"));
    const victim = join(folder, "victim");
    writeFileSync(victim, other.path);
    symlinkSync(victim, join(stateDir, "cgroups", `${uid}`));
    const group = await groups({}, own, stateDir).make(ids(uid, true), false);
    expect([existsSync(other.path), readFileSync(victim, "utf8")]).toEqual([true, other.path]);
    await Promise.all([group?.remove(), other.remove()]);
  });

  test("of an ordinary user are named for the process; those of processes that are gone are swept", async () => {
    const gone = spawnSync("true").pid;
    const left = await makeControlGroup(own ?? "", `nix-build-pid-${gone}-7-3`);
    const made = groups({});
    const [first, second] = [
      await made.make(ids(uid, false), false),
      await made.make(ids(uid, false), false),
    ];
    expect([first?.path, second?.path].map((path) => basename(path ?? ""))).toEqual(
      [1, 2].map((count) =>
        expect.stringMatching(new RegExp(`^nix-build-pid-${process.pid}-\\d+-${count}$`, "u")),
      ),
    );
    expect(existsSync(left.path)).toBe(false);
    await Promise.all([first?.remove(), second?.remove()]);
  });
});

test("there is none where none is wanted or none can be had", async () => {
  expect(await groups({ "use-cgroups": "false" }).make(ids(uid, false), false)).toBeUndefined();
  expect(await groups({}, join(folder, "absent")).make(ids(uid, false), false)).toBeUndefined();
  const without = new ControlGroups({ stateDir: folder, parent: undefined }, defaultSettings());
  expect(await without.make(ids(uid, false), false)).toBeUndefined();
});

test.each<{ name: string; settings: Partial<Settings>; needed: boolean }>([
  { name: "'use-cgroups'", settings: { "use-cgroups": "true" }, needed: false },
  { name: "a limit", settings: { "max-build-processes": 10 }, needed: false },
  { name: "the build", settings: {}, needed: true },
])("no build starts without one when $name asks for it", async ({ settings, needed }) => {
  const absent = groups(settings, join(folder, "absent")).make(ids(uid, false), needed);
  await expect(absent).rejects.toMatchObject({ code: "ERR_CGROUP" });
  const without = new ControlGroups(
    { stateDir: folder, parent: undefined },
    { ...defaultSettings(), ...settings },
  );
  await expect(without.make(ids(uid, false), needed)).rejects.toMatchObject({
    code: "ERR_SETTING",
    message: "cannot determine the cgroups file system",
  });
});

test("limits and no groups contradict each other", async () => {
  const made = groups({ "use-cgroups": "false", "max-build-memory": 1e9 }).make(ids(uid, false), false);
  await expect(made).rejects.toMatchObject({
    code: "ERR_SETTING",
    message: "limits of builds need control groups, which are off",
  });
});
