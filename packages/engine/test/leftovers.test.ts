import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { lockFile, removeTree } from "@drvkit/sandbox-native";
import { afterAll, expect, test } from "vitest";
import { BuildNames } from "../src/sandbox/build-names.js";
import type { BuildsPlaces } from "../src/sandbox/builds-places.js";
import { sweepDeadBuilds } from "../src/sandbox/leftovers.js";

const directories: string[] = [];
afterAll(() => Promise.all(directories.map((path) => removeTree(path))));

async function makePlaces(): Promise<BuildsPlaces> {
  const made = await mkdtemp(join(tmpdir(), "drvkit-leftovers-"));
  directories.push(made);
  const [buildsDir, realStoreDir] = [join(made, "builds"), join(made, "store")];
  const places = { buildsDir, tempParent: buildsDir, realStoreDir };
  await Promise.all([mkdir(places.buildsDir), mkdir(places.realStoreDir)]);
  return places;
}

/** What a process that was killed leaves: the files without the lock. */
async function leave({ buildsDir, realStoreDir }: BuildsPlaces, run: string, builds = 1) {
  for (let n = 1; n <= builds; n += 1) {
    await mkdir(join(buildsDir, `nix-${run}-${n}-abc`, "build"), { recursive: true });
    await chmod(join(buildsDir, `nix-${run}-${n}-abc`), 0o700);
    await mkdir(join(realStoreDir, `abc-${run}-${n}.chroot`, "store"), { recursive: true });
  }
  await writeFile(join(buildsDir, `nix-${run}.lock`), "");
}

async function left({ buildsDir, realStoreDir }: BuildsPlaces): Promise<readonly string[]> {
  return [...(await readdir(buildsDir)), ...(await readdir(realStoreDir))].sort();
}

test("what a killed process left is removed even while its process id is another's", async () => {
  const places = await makePlaces();
  await leave(places, `${process.pid}-1`, 3);
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect(await left(places)).toEqual([]);
});

test("only what is named for the process that is gone is removed", async () => {
  const places = await makePlaces();
  await leave(places, "7-1");
  await leave(places, "7-11");
  const lock = await lockFile(join(places.buildsDir, "nix-7-11.lock"), { wait: false });
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect(await left(places)).toEqual(["abc-7-11-1.chroot", "nix-7-11-1-abc", "nix-7-11.lock"]);
  lock?.release();
});

test("builds that run are left alone, even when their process id is nobody's here", async () => {
  const places = await makePlaces();
  const run = `${spawnSync("true").pid}-1`;
  await leave(places, run);
  const lock = await lockFile(join(places.buildsDir, `nix-${run}.lock`), { wait: false });
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect(await left(places)).toHaveLength(3);
  lock?.release();
});

test("names are held until they are closed, and then nothing is left of them", async () => {
  const places = await makePlaces();
  const names = new BuildNames(places);
  const [first, second] = [await names.next("abc"), await names.next("abc")];
  expect(first).not.toEqual(second);
  for (const path of [first.tempDir, first.chrootDir]) await mkdir(path, { mode: 0o700 });
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect(await left(places)).toHaveLength(3);
  await names.remove(first);
  await names.close();
  expect(await left(places)).toEqual([]);
});

test("two who name builds in one process have names of their own", async () => {
  const places = await makePlaces();
  const [one, other] = [new BuildNames(places), new BuildNames(places)];
  expect(dirname((await one.next("abc")).tempDir)).toBe(places.buildsDir);
  expect((await one.next("abc")).tempDir).not.toBe((await other.next("abc")).tempDir);
  await Promise.all([one.close(), other.close()]);
  expect(await left(places)).toEqual([]);
});

test("a build directory that was kept is not swept, but the root beside it is", async () => {
  const places = await makePlaces();
  await leave(places, "8-1", 2);
  await chmod(join(places.buildsDir, "nix-8-1-2-abc"), 0o755);
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect(await left(places)).toEqual(["nix-8-1-2-abc"]);
});

test("a build that was killed while its directory was closed is swept", async () => {
  const places = await makePlaces();
  await leave(places, "8-2");
  await chmod(join(places.buildsDir, "nix-8-2-1-abc"), 0o000);
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect(await left(places)).toEqual([]);
});

test("directories that a killed process made elsewhere are swept under other settings, too", async () => {
  const places = await makePlaces();
  const elsewhere = { ...places, tempParent: join(places.buildsDir, "../elsewhere") };
  const killed = new BuildNames(elsewhere);
  const [first, second] = [await killed.next("abc"), await killed.next("abc")];
  expect(dirname(first.tempDir)).toBe(elsewhere.tempParent);
  for (const path of [first.tempDir, first.chrootDir, second.chrootDir]) await mkdir(path, { mode: 0o700 });
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect([await left(places), await readdir(elsewhere.tempParent)]).toMatchObject([
    { length: 4 },
    { length: 1 },
  ]);
  killed.leave(); // as a process that is killed: the lock goes, files stay
  await killed.close();
  const object = `${"a".repeat(32)}-7-1-2.chroot`;
  await mkdir(join(places.realStoreDir, object));
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect([await left(places), await readdir(elsewhere.tempParent)]).toEqual([[object], []]);
});

test("names elsewhere leave nothing when they are closed, and what was kept there stays", async () => {
  const places = await makePlaces();
  const elsewhere = { ...places, tempParent: join(places.buildsDir, "../elsewhere") };
  const names = new BuildNames(elsewhere);
  const kept = await names.next("abc");
  await mkdir(kept.tempDir, { mode: 0o755 });
  names.leave();
  await names.close();
  const others = new BuildNames(elsewhere);
  await others.next("abc");
  await others.close();
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect([await left(places), await readdir(elsewhere.tempParent)]).toEqual([[], [basename(kept.tempDir)]]);
});

test("many sweeps at a time do not get in each other's way", async () => {
  const places = await makePlaces();
  for (let index = 0; index < 20; index += 1) await leave(places, `9-${index}`);
  const sweeps = Array.from({ length: 8 }, () => sweepDeadBuilds(places));
  expect((await Promise.all(sweeps)).flat()).toEqual([]);
  expect(await left(places)).toEqual([]);
});

test.skipIf(process.geteuid?.() === 0)(
  "what cannot be removed is a warning and is tried again (skipped: root may do anything)",
  async () => {
    const places = await makePlaces();
    await leave(places, "7-2");
    await chmod(places.realStoreDir, 0o500);
    expect(await sweepDeadBuilds(places)).toEqual([
      expect.stringContaining("cannot remove what a killed build left"),
    ]);
    expect(await left(places)).toEqual(["abc-7-2-1.chroot", "nix-7-2-1-abc", "nix-7-2.lock"]);
    await chmod(places.realStoreDir, 0o700);
    expect(await sweepDeadBuilds(places)).toEqual([]);
    expect(await left(places)).toEqual([]);
  },
);

test("a folder that is not there has nothing to sweep", async () => {
  expect(
    await sweepDeadBuilds({
      buildsDir: "/no/such/builds",
      tempParent: "/no/such/builds",
      realStoreDir: "/no/such",
    }),
  ).toEqual([]);
});

test("a name that could not be claimed is tried again, and closing says nothing of it", async () => {
  const places = await makePlaces();
  const inTheWay = join(places.buildsDir, "file");
  await writeFile(inTheWay, "");
  const names = new BuildNames({ ...places, buildsDir: inTheWay });
  await expect(names.next("abc")).rejects.toThrow("EEXIST");
  await names.close();
  await removeTree(inTheWay);
  expect((await names.next("abc")).tempDir).toMatch(/-1-abc$/u);
  await names.close();
});

test.each(["/proc/self/no-such-directory", "/proc/no-such/deep"])(
  "a place that cannot be made is one error: %s",
  async (tempParent) => {
    const names = new BuildNames({ ...(await makePlaces()), tempParent });
    await expect(names.next("abc")).rejects.toMatchObject({
      code: "ERR_BUILD_DIR",
      message: expect.stringContaining(`cannot make the directory '${tempParent}' for builds: `),
      hint: expect.stringContaining("build-dir"),
    });
  },
);

test("the lock file stays when something of a build was left, for the sweep after this process", async () => {
  const places = await makePlaces();
  const names = new BuildNames(places);
  const { chrootDir, tempDir } = await names.next("abc");
  await Promise.all([mkdir(chrootDir), mkdir(tempDir, { mode: 0o700 })]);
  names.leave();
  await names.close();
  expect(await left(places)).toHaveLength(3);
  expect(await sweepDeadBuilds(places)).toEqual([]);
  expect(await left(places)).toEqual([]);
});
