import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { allocateBuildIds, takeBuildIds } from "../src/sandbox/build-ids.js";
import { defaultSettings } from "../src/settings/table.js";

const isRoot = process.geteuid?.() === 0;
const range = { startId: 872_415_232, idCount: 2 * 65_536 };
const directories: string[] = [];

async function pool(names: "own" | "slots" | "users" = "own") {
  const directory = await mkdtemp(join(tmpdir(), "drvkit-pool-"));
  directories.push(directory);
  await chmod(directory, 0o755);
  return { directory, names };
}

afterAll(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true }))));

test.skipIf(isRoot)("an ordinary user builds as itself (skipped: root)", async () => {
  expect(await takeBuildIds(defaultSettings(), { idRange: false, isolation: "sandbox" })).toMatchObject({
    uid: process.geteuid?.(),
    count: 1,
    allocated: false,
  });
});

describe.skipIf(!isRoot)("user ids of root's builds (skipped: not root)", () => {
  test("each has its own; with none left there is none until one is given back", async () => {
    const pools = [await pool()];
    const first = await allocateBuildIds(range, pools);
    const second = await allocateBuildIds(range, pools);
    expect([first?.uid, second?.uid]).toEqual([872_415_232, 872_480_768]);
    expect(await allocateBuildIds(range, pools)).toBeUndefined();
    first?.release();
    expect((await allocateBuildIds(range, pools))?.uid).toBe(872_415_232);
  });

  test("a slot that Nix holds is taken, and nothing of it stays locked", async () => {
    const [own, nix] = [await pool(), await pool("slots")];
    const held = await allocateBuildIds(range, [nix]);
    expect((await allocateBuildIds(range, [own, nix]))?.uid).toBe(872_480_768);
    held?.release();
    expect((await allocateBuildIds(range, [own, nix]))?.uid).toBe(872_415_232);
    expect((await readdir(nix.directory)).sort()).toEqual(["slot-0", "slot-1"]);
  });

  test("another range has locks of its own, and none of Nix's place is no failure", async () => {
    const pools = [await pool(), { directory: "/no/such/userpool2", names: "slots" as const }];
    await allocateBuildIds(range, pools);
    const other = await allocateBuildIds({ startId: 950_000_000, idCount: 65_536 }, pools);
    expect(other?.uid).toBe(950_000_000);
  });

  test("a place that others can write, and a range without room, are refused", async () => {
    const open = await pool();
    await chmod(open.directory, 0o777);
    await expect(allocateBuildIds(range, [open])).rejects.toMatchObject({ code: "ERR_NO_BUILD_UID" });
    await expect(allocateBuildIds({ ...range, idCount: 10 })).rejects.toThrow("has no room for a build");
  });
});
