import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmdirSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultStoreDir } from "@drvkit/drv-parser";
import { describe, expect, onTestFinished, test } from "vitest";
import { Environment } from "../src/environment.js";
import { openStore } from "../src/index.js";
import { Snapshot } from "../src/query.js";
import { pathKey } from "../src/schema.js";
import { inputOf, pathOf } from "./support/objects.js";
import { child, childArgs, reader, tempRoot } from "./support/process.js";

describe("several processes", () => {
  test("add the same and other objects at once, and every one of them is there", async () => {
    const root = tempRoot();
    const names = ["p", "q", "r", "s"];
    const children = names.map((name) => child(root, "add-many", name, "15"));
    for (const other of children) expect(await other.line()).toBe("done");
    await Promise.all(children.map((other) => other.finish()));
    await using store = await openStore({ root });
    const valid = await store.queryAllValidPaths();
    expect(valid.size).toBe(15 + names.length * 15 * 2);
    expect(await store.queryClosure(valid)).toHaveLength(valid.size);
    for (const path of valid) {
      for (const reference of (await store.requirePathInfo(path)).references) {
        expect(await store.queryReferrers(reference)).toContain(path);
      }
      for (const referrer of await store.queryReferrers(path)) {
        expect((await store.requirePathInfo(referrer)).references).toContain(path);
      }
    }
    // No lock, temporary directory or half-written object is left.
    expect(readdirSync(store.realStoreDir).sort()).toEqual(
      [...valid].map((path) => path.slice("/nix/store/".length)),
    );
    expect(readdirSync(join(store.stateDir, "temproots"))).toEqual([]);
  });

  test("one killed inside a transaction leaves the last commit, and the next writer goes on", async () => {
    const root = tempRoot();
    const { signal } = await child(root, "die-writing").ended;
    expect(signal).toBe("SIGKILL");
    await using store = await openStore({ root });
    expect([...(await store.queryAllValidPaths())].map((path) => path.slice(-7))).toEqual(["-before"]);
    await store.registerValidPaths([inputOf("after")]);
    expect(await store.queryPathInfo(pathOf("after"))).toEqual(inputOf("after"));
  });

  test("waiting for another process's writer does not hold the event loop", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    const other = child(root, "hold-writer", "2500");
    expect(await other.line()).toBe("holding");
    let longest = 0;
    let last = performance.now();
    const ticking = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 10);
    const started = performance.now();
    const registering = store.registerValidPaths([inputOf("a")]);
    await using second = await openStore({ root, readOnly: true });
    expect(await second.queryPathInfo(pathOf("a"))).toBeUndefined();
    await registering;
    clearInterval(ticking);
    expect(performance.now() - started).toBeGreaterThan(1000);
    expect(longest).toBeLessThan(1000);
    expect(await second.queryPathInfo(pathOf("a"))).toEqual(inputOf("a"));
  });

  test("a reader sees what was committed before it asks, and what it holds does not change", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    await store.registerValidPaths([inputOf("a")]);
    const holding = reader(join(store.stateDir, "drvkit/db"));
    expect(await holding.line()).toBe("reading");
    await store.registerValidPaths([inputOf("b")]);
    const counting = child(root, "count");
    expect(await counting.line()).toBe("2");
    await counting.finish();
    holding.process.stdin?.end();
    expect(await holding.line()).toBe("1 1");
  });

  test("a killed reader does not make the file grow", async () => {
    await using store = await openStore({ root: tempRoot() });
    const rewrite = async (times: number) => {
      for (let i = 0; i < times; i++) {
        await store.registerValidPaths([{ ...inputOf("a"), signatures: [`${i}:${"A".repeat(20_000)}`] }]);
      }
      return statSync(join(store.stateDir, "drvkit/db/data.mdb")).size;
    };
    const settled = await rewrite(20);
    const holding = reader(join(store.stateDir, "drvkit/db"));
    await holding.line();
    const held = await rewrite(20);
    expect(held).toBeGreaterThan(settled + 10 * 20_000);
    holding.process.kill("SIGKILL");
    await holding.ended;
    expect(await rewrite(40)).toBeLessThan(held + 10 * 20_000);
  });

  test("the map grows, with one's own writing and with another process's", async () => {
    const root = tempRoot();
    await (await openStore({ root })).close();
    const dir = join(root, "nix/var/nix/drvkit/db");
    const small = await Environment.make(dir, 256 * 1024);
    await small.openForWriting("/nix/store");
    onTestFinished(() => small.close());
    const count = () =>
      small.read((tables) => new Snapshot(tables, defaultStoreDir).queryAllValidPaths().size);
    expect(count()).toBe(0);
    const other = child(root, "register-many", "p", "2000");
    expect(await other.line()).toBe("done");
    await other.finish();
    const between = statSync(join(dir, "data.mdb")).size;
    expect(between).toBeGreaterThan(512 * 1024);
    expect(count()).toBe(2000);
    await small.write((tables) => {
      for (let i = 0; i < 4000; i++) tables.paths.put(pathKey(pathOf(`q-${i}`)), Buffer.alloc(400, i));
    });
    expect(statSync(join(dir, "data.mdb")).size).toBeGreaterThan(2 * between);
    expect(count()).toBe(6000);
  });

  test("a query sees what another process committed since the last one, in whatever short time", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    expect((await store.queryAllValidPaths()).size).toBe(0);
    // Synchronous: no timer of this process fires between the two queries.
    execFileSync(process.execPath, [...childArgs, root, "register-many", "p", "3"]);
    expect((await store.queryAllValidPaths()).size).toBe(3);
  });

  test("eighty readers have a place in lock.mdb, which is allocated from the start", async () => {
    await using store = await openStore({ root: tempRoot() });
    await store.registerValidPaths([inputOf("a")]);
    const db = join(store.stateDir, "drvkit/db");
    const { size, blocks } = statSync(join(db, "lock.mdb"));
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
    expect(size).toBeGreaterThanOrEqual(1024 * 64);
    const readers = Array.from({ length: 80 }, () => reader(db));
    for (const each of readers) expect(await each.line()).toBe("reading");
    await store.registerValidPaths([inputOf("b", ["a"])]);
    expect((await store.queryAllValidPaths()).size).toBe(2);
    for (const each of readers) each.process.stdin?.end();
    for (const each of readers) {
      expect(await each.line()).toBe("1 1");
      expect((await each.ended).code).toBe(0);
    }
    expect(statSync(join(db, "lock.mdb")).size).toBe(size);
  });
});

/** A small file system of its own; only root may mount one. */
function smallRoot(size: string): string {
  const dir = mkdtempSync(join(tmpdir(), "drvkit-small-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "drvkit-test", dir]);
  onTestFinished(() => {
    execFileSync("umount", ["-l", dir]);
    rmdirSync(dir);
  });
  return dir;
}

function canMount(): boolean {
  try {
    const dir = mkdtempSync(join(tmpdir(), "drvkit-small-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "drvkit-test", dir], { stdio: "ignore" });
    execFileSync("umount", [dir]);
    rmdirSync(dir);
    return true;
  } catch {
    return false;
  }
}

function fill(root: string): void {
  const { bavail, bsize } = statfsSync(root);
  try {
    writeFileSync(join(root, "filler"), Buffer.alloc(bavail * bsize));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

describe.skipIf(!canMount())("a full disk [needs the right to mount a tmpfs]", () => {
  test("a failed commit changes nothing, the process lives, and it goes on once there is space", async () => {
    const root = smallRoot("4m");
    await using store = await openStore({ root });
    await store.registerValidPaths([inputOf("first")]);
    fill(root);
    let registered = 0;
    const failure = await (async () => {
      for (; registered < 2000; registered++) {
        const names = Array.from({ length: 20 }, (_, i) => `n-${registered}-${i}`);
        await store.registerValidPaths(names.map((name) => inputOf(name, ["first"])));
      }
    })().catch((error: unknown) => error);
    expect(failure).toEqual(
      expect.objectContaining({ code: "ERR_STORE_NO_SPACE", hint: expect.any(String) }),
    );
    const valid = await store.queryAllValidPaths();
    expect(valid.size).toBe(1 + registered * 20);
    expect(await store.queryReferrers(pathOf("first"))).toHaveLength(registered * 20);
    await expect(
      store.registerValidPaths(
        [inputOf("big", [])].concat(Array.from({ length: 200 }, (_, i) => inputOf(`big-${i}`))),
      ),
    ).rejects.toEqual(expect.objectContaining({ code: "ERR_STORE_NO_SPACE" }));
    execFileSync("mount", ["-o", "remount,size=16m", root]);
    await store.registerValidPaths([inputOf("last", ["first"])]);
    expect(await store.queryPathInfo(pathOf("last"))).toEqual(inputOf("last", ["first"]));
    await store.close();
    await using again = await openStore({ root });
    expect((await again.queryAllValidPaths()).size).toBe(valid.size + 1);
  });

  test("adding says that there is no space and leaves nothing behind", async () => {
    const root = smallRoot("4m");
    const source = tempRoot();
    writeFileSync(join(source, "big"), Buffer.alloc(8 << 20, 1));
    await using store = await openStore({ root });
    await expect(store.addTree("big", join(source, "big"))).rejects.toEqual(
      expect.objectContaining({ code: "ERR_STORE_NO_SPACE" }),
    );
    await expect(store.addText("big", Buffer.alloc(8 << 20, 1))).rejects.toEqual(
      expect.objectContaining({ code: "ERR_STORE_NO_SPACE" }),
    );
    expect(readdirSync(store.realStoreDir)).toEqual([]);
    await store.addText("small", Buffer.from("x"));
  });

  test("readers come and go, none by SIGBUS", async () => {
    const root = smallRoot("4m");
    await using store = await openStore({ root });
    await store.registerValidPaths([inputOf("a")]);
    fill(root);
    // More than have a place in the first page of lock.mdb, which is there in any case.
    const readers = Array.from({ length: 80 }, () => reader(join(store.stateDir, "drvkit/db")));
    for (const each of readers) expect(await each.line()).toBe("reading");
    for (const each of readers) each.process.stdin?.end();
    for (const each of readers) expect(await each.ended).toMatchObject({ code: 0, signal: null });
  });

  test("a store that cannot be made says so", async () => {
    const root = smallRoot("64k");
    fill(root);
    await expect(openStore({ root })).rejects.toEqual(
      expect.objectContaining({ code: "ERR_STORE_NO_SPACE" }),
    );
  });
});
