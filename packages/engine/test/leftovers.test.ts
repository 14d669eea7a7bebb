import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "@drvkit/sandbox-native";
import { afterAll, expect, test } from "vitest";
import { claimPlaces, sweepDeadBuilds } from "../src/sandbox/leftovers.js";

const directories: string[] = [];
afterAll(() => Promise.all(directories.map(removeTree)));

async function directory() {
  const made = await mkdtemp(join(tmpdir(), "drvkit-leftovers-"));
  directories.push(made);
  return made;
}

/** What a process that was killed leaves: the files without the lock. */
async function leave(builds: string, name: string) {
  const chroot = `${builds}-${name}.chroot`;
  directories.push(chroot);
  await mkdir(join(builds, name, "build"), { recursive: true });
  await mkdir(join(chroot, "root"), { recursive: true });
  await symlink(chroot, join(builds, `${name}.chroot`));
  await writeFile(join(builds, `${name}.lock`), "");
  return chroot;
}

test("what a killed process left is removed even while its process id is another's", async () => {
  const builds = await directory();
  const chroot = await leave(builds, `nix-${process.pid}-1`);
  expect(await sweepDeadBuilds(builds)).toEqual([]);
  expect(await readdir(builds)).toEqual([]);
  await expect(readdir(chroot)).rejects.toThrow("ENOENT");
});

test("a build that runs is left alone, even when its process id is nobody's here", async () => {
  const builds = await directory();
  const pid = spawnSync("true").pid;
  const places = await claimPlaces(builds, `nix-${pid}-1`, `${builds}-x.chroot`);
  await mkdir(join(builds, `nix-${pid}-1`));
  expect(await sweepDeadBuilds(builds)).toEqual([]);
  expect(await readdir(builds)).toHaveLength(3);
  places?.lock.releaseAndDelete();
});

test("a name in use is not claimed; one of a kept build neither, nor is that swept", async () => {
  const builds = await directory();
  const places = await claimPlaces(builds, "nix-1-1", `${builds}-y.chroot`);
  expect(await claimPlaces(builds, "nix-1-1", `${builds}-z.chroot`)).toBeUndefined();
  places?.lock.releaseAndDelete();
  await mkdir(join(builds, "nix-1-2"));
  expect(await claimPlaces(builds, "nix-1-2", `${builds}-z.chroot`)).toBeUndefined();
  await sweepDeadBuilds(builds);
  expect(await readdir(builds)).toContain("nix-1-2");
});

test("the name of what a killed build left is not claimed, and that is still swept", async () => {
  const builds = await directory();
  await leave(builds, "nix-3-1");
  expect(await claimPlaces(builds, "nix-3-1", `${builds}-w.chroot`)).toBeUndefined();
  expect(await sweepDeadBuilds(builds)).toEqual([]);
  expect(await readdir(builds)).toEqual([]);
});

test("many sweeps at a time do not get in each other's way", async () => {
  const builds = await directory();
  for (let index = 0; index < 20; index += 1) await leave(builds, `nix-9-${index}`);
  const sweeps = Array.from({ length: 8 }, () => sweepDeadBuilds(builds));
  expect((await Promise.all(sweeps)).flat()).toEqual([]);
  expect(await readdir(builds)).toEqual([]);
});

test.skipIf(process.geteuid?.() === 0)(
  "what cannot be removed is a warning and is tried again (skipped: root may do anything)",
  async () => {
    const builds = await directory();
    await leave(builds, "nix-7-1");
    const locked = await directory();
    await mkdir(join(locked, "held/inner"), { recursive: true });
    await symlink(join(locked, "held"), join(builds, "nix-7-2.chroot"));
    await writeFile(join(builds, "nix-7-2.lock"), "");
    await chmod(locked, 0o500);
    expect(await sweepDeadBuilds(builds)).toEqual([
      expect.stringContaining("cannot remove what a killed build left"),
    ]);
    expect(await readdir(builds)).toEqual(["nix-7-2.chroot", "nix-7-2.lock"]);
    await chmod(locked, 0o700);
    expect(await sweepDeadBuilds(builds)).toEqual([]);
    expect(await readdir(builds)).toEqual([]);
  },
);

test("a folder that is not there has nothing to sweep", async () => {
  expect(await sweepDeadBuilds("/no/such/builds")).toEqual([]);
});
