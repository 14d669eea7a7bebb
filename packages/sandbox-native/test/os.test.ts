import { spawn, spawnSync } from "node:child_process";
import { pbkdf2 } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isMapped } from "../ts/id-map.js";
import { allocateFile, fileSystemType, freeBytes, lockDescriptor, lockFile } from "../ts/os.js";
import { isHostId } from "../ts/sandbox.js";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/drvkit-os-`);
});
afterEach(() => rmSync(dir, { recursive: true }));

const addon = fileURLToPath(
  new URL(`../native/sandbox-native.linux-${process.arch}-gnu.node`, import.meta.url),
);
const pause = promisify(setTimeout);

/** A lock that must be free. */
async function take(path: string, options: { shared?: boolean } = {}) {
  const lock = await lockFile(path, { wait: false, ...options });
  if (lock === undefined) throw new Error(`"${path}" is locked`);
  return lock;
}

const isFree = async (path: string, options: { shared?: boolean } = {}) => {
  const lock = await lockFile(path, { wait: false, ...options });
  lock?.release();
  return lock !== undefined;
};

describe("lockFile", () => {
  test("excludes a second call in this process until it is released", async () => {
    const path = `${dir}/x.lock`;
    const lock = await take(path);
    expect(await isFree(path)).toBe(false);
    lock.release();
    lock.release();
    expect(await isFree(path)).toBe(true);
  });

  test("makes the file with mode 0600 and deletes it only when told to", async () => {
    const path = `${dir}/x.lock`;
    const lock = await take(path);
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    lock.release();
    expect(existsSync(path)).toBe(true);
    const again = await take(path);
    again.releaseAndDelete();
    again.releaseAndDelete();
    expect(existsSync(path)).toBe(false);
  });

  test("lets those in who share it", async () => {
    const path = `${dir}/x.lock`;
    const lock = await take(path, { shared: true });
    expect([await isFree(path, { shared: true }), await isFree(path)]).toEqual([true, false]);
    lock.release();
  });

  test("waits for the release, one owner at a time", async () => {
    const path = `${dir}/x.lock`;
    const lock = await take(path);
    let owners = 0;
    const all = Array.from({ length: 30 }, async (_, number) => {
      const mine = await lockFile(path, { wait: true });
      expect(++owners).toBe(1);
      await pause(1);
      owners--;
      if (number % 2 === 0) mine?.release();
      else mine?.releaseAndDelete();
    });
    await pause(10);
    expect(owners).toBe(0);
    lock.releaseAndDelete();
    await Promise.all(all);
  });

  test("ends a wait with the reason of the signal and never takes the lock for it", async () => {
    const path = `${dir}/x.lock`;
    const lock = await take(path);
    const controller = new AbortController();
    const waiting = lockFile(path, { wait: true, signal: controller.signal });
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 5);
    await expect(waiting).rejects.toBe(reason);
    await expect(lockFile(path, { wait: false, signal: controller.signal })).rejects.toBe(reason);
    lock.release();
    for (let round = 0; round < 20; round++) expect(await isFree(path)).toBe(true);
  });

  test("waits without the threads of Node", async () => {
    const path = `${dir}/x.lock`;
    const lock = await take(path);
    const waits = Array.from({ length: 10 }, () => lockFile(path, { wait: true, shared: true }));
    // Four threads: were a wait to hold one, this would come to nothing.
    await Promise.all(Array.from({ length: 8 }, () => promisify(pbkdf2)("x", "y", 1, 32, "sha512")));
    lock.release();
    for (const shared of await Promise.all(waits)) shared?.release();
  });

  test("waits for a lock of another process", async () => {
    const path = `${dir}/x.lock`;
    const other = spawn("flock", [path, "sh", "-c", "echo locked; read line"]);
    await new Promise((resolve) => other.stdout.once("data", resolve));
    expect(await isFree(path)).toBe(false);
    const waiting = lockFile(path, { wait: true });
    other.stdin.end("\n");
    (await waiting)?.release();
  });

  test("passes over a file that its owner unlinked and marked meanwhile", async () => {
    const path = `${dir}/x.lock`;
    const script = 'echo locked; read line; rm "$1"; printf d >&3';
    const other = spawn("flock", ["-o", path, "sh", "-c", `exec 3<>"$1"; ${script}`, "sh", path]);
    await new Promise((resolve) => other.stdout.once("data", resolve));
    const waiting = lockFile(path, { wait: true });
    other.stdin.end("\n");
    const lock = await waiting;
    expect(readFileSync(path, "utf8")).toBe("");
    expect(await isFree(path)).toBe(false);
    lock?.release();
  });

  test("refuses a link and keeps what it points to", async () => {
    writeFileSync(`${dir}/file`, "kept");
    symlinkSync("file", `${dir}/x.lock`);
    await expect(lockFile(`${dir}/x.lock`, { wait: true })).rejects.toMatchObject({
      name: "SandboxError",
      code: "ERR_LOCK_IO",
      step: "open",
      path: `${dir}/x.lock`,
      errno: 40,
    });
    expect(readFileSync(`${dir}/file`, "utf8")).toBe("kept");
  });

  test.skipIf(!existsSync(addon))(
    "is released when the process ends, also one that waits (skipped without a glibc build)",
    async () => {
      const lock = await take(`${dir}/held.lock`);
      const script = `
      const addon = require(${JSON.stringify(addon)});
      const own = addon.tryLockFile(${JSON.stringify(`${dir}/own.lock`)}, false).value;
      new addon.LockRequest(${JSON.stringify(`${dir}/held.lock`)}, false).wait();
      setTimeout(() => process.exit(own ? 7 : 8), 50);`;
      expect(spawnSync(process.execPath, ["-e", script]).status).toBe(7);
      expect(await isFree(`${dir}/own.lock`)).toBe(true);
      lock.release();
      expect(await isFree(`${dir}/held.lock`)).toBe(true);
    },
  );
});

describe("lockDescriptor", () => {
  test("tells a log that is being written from one that is not", () => {
    const path = `${dir}/log`;
    const writer = openSync(path, "w");
    const followers = [openSync(path, "r"), openSync(path, "r")] as const;
    expect(lockDescriptor(writer, "exclusive")).toBe(true);
    expect(followers.map((fd) => lockDescriptor(fd, "shared"))).toEqual([false, false]);
    expect(lockDescriptor(writer, "exclusive")).toBe(true);
    closeSync(writer);
    expect(followers.map((fd) => lockDescriptor(fd, "shared"))).toEqual([true, true]);
    expect(lockDescriptor(followers[0], "exclusive")).toBe(false);
    followers.forEach(closeSync);
  });

  const hasFlock = spawnSync("flock", ["--version"]).status === 0;
  test.skipIf(!hasFlock)("excludes other processes (skipped without the program flock)", () => {
    const path = `${dir}/log`;
    const fd = openSync(path, "w");
    const other = () => spawnSync("flock", ["-n", "-s", path, "true"]).status;
    expect(lockDescriptor(fd, "exclusive")).toBe(true);
    expect(other()).toBe(1);
    expect(lockDescriptor(fd, "shared")).toBe(true);
    expect(other()).toBe(0);
    closeSync(fd);
  });

  test.each([-1, 1_000_000])("refuses %i, which is no open descriptor", (fd) => {
    expect(() => lockDescriptor(fd, "shared")).toThrow(
      expect.objectContaining({
        name: "SandboxError",
        code: "ERR_OS",
        message: `cannot lock descriptor '${fd}': Bad file descriptor`,
        step: "lock",
        errno: 9,
      }),
    );
  });
});

describe("file systems", () => {
  test("names the one of a path", () => {
    expect(fileSystemType("/proc")).toEqual({ magic: 0x9fa0, name: "proc", network: false });
    expect(() => fileSystemType(`${dir}/absent`)).toThrow(
      expect.objectContaining({ code: "ERR_OS", errno: 2 }),
    );
  });

  test("counts free bytes", async () => {
    expect(await freeBytes(dir)).toBeGreaterThan(0);
    await expect(freeBytes(`${dir}/absent`)).rejects.toMatchObject({ code: "ERR_OS", path: `${dir}/absent` });
  });

  test("allocates blocks and keeps what a file holds", () => {
    writeFileSync(`${dir}/lock.mdb`, "kept");
    allocateFile(`${dir}/lock.mdb`, 65536);
    const { size, blocks } = statSync(`${dir}/lock.mdb`);
    expect([size, blocks * 512 >= 65536]).toEqual([65536, true]);
    expect(readFileSync(`${dir}/lock.mdb`, "utf8").slice(0, 5)).toBe("kept\0");
    expect(() => allocateFile(`${dir}/lock.mdb`, -1)).toThrow("'-1' is not a length");
  });

  test.skipIf(!existsSync("/dev/shm"))("says that there is no space (skipped without /dev/shm)", () => {
    const path = `/dev/shm/drvkit-${process.pid}`;
    try {
      expect(() => allocateFile(path, 2 ** 50)).toThrow(
        expect.objectContaining({ code: "ERR_NO_SPACE", errno: 28, path }),
      );
    } finally {
      rmSync(path, { force: true });
    }
  });
});

test("an id exists for this process where both maps have it", () => {
  const map = "         0       1000          1\n         1     100000      65536\n";
  expect([0, 1, 65_536].every((id) => isMapped(map, id))).toBe(true);
  expect([65_537, 872_415_232, -1].some((id) => isMapped(map, id))).toBe(false);
  expect(isMapped("", 0)).toBe(false);
  expect(isHostId(process.geteuid?.() ?? 0)).toBe(true);
});
