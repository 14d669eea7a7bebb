import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockFile } from "@drvkit/sandbox-native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { takeBuildUser } from "../src/sandbox/build-users.js";
import type { IdPool } from "../src/sandbox/id-locks.js";

let etc = "";
beforeEach(() => {
  etc = mkdtempSync(join(tmpdir(), "drvkit-users-"));
  chmodSync(etc, 0o755);
});
afterEach(() => rmSync(etc, { recursive: true }));

const isRoot = process.geteuid?.() === 0;
const passwd = [
  "root:x:0:0::/:/bin/sh",
  "b1:x:30001:30000::/:/none",
  "b2:x:30002:30000::/:/none",
  "b3:x:30003:1::/:/none",
];

function pool(names: IdPool["names"]): IdPool {
  const directory = join(etc, names);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  return { directory, names };
}

function write(group: readonly string[], accounts: readonly string[] = passwd) {
  writeFileSync(join(etc, "group"), `${group.join("\n")}\n`);
  writeFileSync(join(etc, "passwd"), `${accounts.join("\n")}\n`);
}

// An ordinary user has no place for locks that is root's alone: nothing is locked.
const take = (group = "builders", pools: readonly IdPool[] = []) => takeBuildUser(group, { etc, pools });

describe.skipIf(!isRoot)("members of a group as build users (skipped: not root)", () => {
  test("are taken in the order of the group, each once, until none is left", async () => {
    write(["other:x:1:b3", "builders:x:30000:b2,b1"]);
    const pools = [pool("own")];
    const [first, second] = [await take("builders", pools), await take("builders", pools)];
    expect([first, second]).toMatchObject([
      { uid: 30_002, gid: 30_000, count: 1, allocated: true },
      { uid: 30_001, gid: 30_000, count: 1, allocated: true },
    ]);
    expect(await take("builders", pools)).toBeUndefined();
    first?.release();
    const third = await take("builders", pools);
    expect(third?.uid).toBe(30_002);
    third?.release();
    second?.release();
  });

  test("that Nix holds are passed over, and so are those of another group of ours", async () => {
    write(["builders:x:30000:b1,b2,b3", "others:x:40000:b2"]);
    const pools = [pool("own"), pool("users")];
    const held = await lockFile(join(etc, "users/30001"), { wait: false });
    const other = await take("others", pools);
    const ours = await take("builders", pools);
    expect([other?.uid, ours?.uid]).toEqual([30_002, 30_003]);
    for (const lock of [held, other, ours]) lock?.release();
    expect((await take("builders", pools))?.uid).toBe(30_001);
  });

  test("need locks in a place of root's alone", async () => {
    write(["builders:x:30000:b1"]);
    const open = pool("own");
    chmodSync(open.directory, 0o777);
    await expect(take("builders", [open])).rejects.toMatchObject({ code: "ERR_NO_BUILD_UID" });
  });
});

describe("a group for builds", () => {
  test("is as its first entry says, and so are accounts", async () => {
    write(["builders:x:30000:b1", "builders:x:1:b2"], [...passwd, "b1:x:5:5::/:/none"]);
    expect(await take()).toMatchObject({ uid: 30_001, gid: 30_000 });
  });

  test.each([
    {
      name: "is not there",
      group: ["others:x:1:b1"],
      message: "the group 'builders' specified in 'build-users-group' does not exist",
    },
    {
      name: "has no members",
      group: ["builders:x:30000:"],
      message: "the build users group 'builders' has no members",
    },
    {
      name: "has no field of members",
      group: ["builders:x:30000"],
      message: "the build users group 'builders' has no members",
    },
    {
      name: "has a member without an account",
      group: ["builders:x:30000:nobody-here,b1"],
      message: "the user 'nobody-here' in the group 'builders' does not exist",
    },
    {
      name: "has a member without an id",
      group: ["builders:x:30000:empty"],
      message: "the user 'empty' in the group 'builders' does not exist",
    },
    {
      name: "has this user as a member",
      group: ["builders:x:30000:me"],
      message: "the Nix user should not be a member of 'builders'",
    },
  ])("that $name is refused", async ({ group, message }) => {
    write(group, [...passwd, `me:x:${process.geteuid?.()}:0::/:/none`, "empty:x:::::"]);
    await expect(take()).rejects.toMatchObject({
      code: "ERR_BUILD_USERS",
      message,
      hint: expect.any(String),
    });
  });

  test("that has no id is refused: it would be root's", async () => {
    write(["builders:x::b1"]);
    await expect(take()).rejects.toMatchObject({ code: "ERR_BUILD_USERS" });
  });

  test("is not there where no file names groups", async () => {
    await expect(take()).rejects.toThrow(
      "the group 'builders' specified in 'build-users-group' does not exist",
    );
    writeFileSync(join(etc, "group"), "builders:x:30000:b1\n");
    await expect(take()).rejects.toThrow("the user 'b1' in the group 'builders' does not exist");
  });
});
