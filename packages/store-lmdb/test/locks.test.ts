import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { openStore } from "../src/index.js";
import { TempRoots } from "../src/roots.js";
import { pathOf } from "./support/objects.js";
import { child, childArgs, tempRoot } from "./support/process.js";

const [a, b, c] = [pathOf("a"), pathOf("b"), pathOf("c")];

describe("output locks", () => {
  test("are all or none, within one process too", async () => {
    await using store = await openStore({ root: tempRoot() });
    await using held = await store.tryLockOutputs([b]);
    expect(held).toBeDefined();
    expect(await store.tryLockOutputs([a, b, c])).toBeUndefined();
    // What it had taken before it met the other one is free again.
    await using rest = await store.tryLockOutputs([c, a, c]);
    expect(rest).toBeDefined();
  });

  test("are free again after disposal, and the files go only when that is asked for", async () => {
    await using store = await openStore({ root: tempRoot() });
    const file = `${store.realPathOf(a)}.lock`;
    {
      await using _held = await store.tryLockOutputs([a]);
      expect(existsSync(file)).toBe(true);
    }
    expect(existsSync(file)).toBe(true);
    {
      await using held = await store.tryLockOutputs([a]);
      held?.deleteOnRelease();
    }
    expect(existsSync(file)).toBe(false);
  });

  test("are all given back when the file of one cannot be deleted", async () => {
    await using store = await openStore({ root: tempRoot() });
    const held = await store.tryLockOutputs([a, b, c]);
    held?.deleteOnRelease();
    // Its directory takes no deletion: a mount point would not either.
    const file = `${store.realPathOf(b)}.lock`;
    rmSync(file);
    mkdirSync(join(file, "x"), { recursive: true });
    await Promise.allSettled([held?.[Symbol.asyncDispose]()]);
    rmSync(file, { recursive: true });
    await using again = await store.tryLockOutputs([a, b, c]);
    expect(again).toBeDefined();
  });

  test("no targets, no wait", async () => {
    await using store = await openStore({ root: tempRoot() });
    await using held = await store.tryLockOutputs([]);
    expect(held).toBeDefined();
  });

  test("waiting says for whom, once, and ends when the other process lets go", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    const other = child(root, "hold-lock", "b");
    expect(await other.line()).toBe("locked");
    expect(await store.tryLockOutputs([a, b])).toBeUndefined();
    const waited: string[] = [];
    let finished: Promise<void> | undefined;
    const locking = store.lockOutputs([b, a], {
      onWait: (path) => {
        waited.push(path);
        finished = other.finish();
      },
    });
    await using _locks = await locking;
    expect(waited).toEqual([b]);
    await finished;
    expect(await store.tryLockOutputs([a])).toBeUndefined();
  });

  test("a lock file that its owner deleted is opened anew by who waited for it (A11)", async () => {
    await using store = await openStore({ root: tempRoot() });
    const first = await store.tryLockOutputs([a]);
    let waiting: ReturnType<typeof store.lockOutputs> | undefined;
    await new Promise<void>((waits) => {
      waiting = store.lockOutputs([a], { onWait: () => waits() });
    });
    first?.deleteOnRelease();
    await first?.[Symbol.asyncDispose]();
    await using _second = await waiting;
    expect(existsSync(`${store.realPathOf(a)}.lock`)).toBe(true);
    expect(await store.tryLockOutputs([a])).toBeUndefined();
  });

  test("waiting ends with the signal, and gives back what it had", async () => {
    await using store = await openStore({ root: tempRoot() });
    await using _held = await store.tryLockOutputs([b]);
    const abort = new AbortController();
    const locking = store.lockOutputs([a, b].sort(), { signal: abort.signal, onWait: () => abort.abort() });
    await expect(locking).rejects.toThrow();
    await using again = await store.tryLockOutputs([a]);
    expect(again).toBeDefined();
  });

  test("a killed process holds nothing", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    const other = child(root, "hold-lock", "a");
    await other.line();
    expect(await store.tryLockOutputs([a])).toBeUndefined();
    other.process.kill("SIGKILL");
    await other.ended;
    await using locks = await store.tryLockOutputs([a]);
    expect(locks).toBeDefined();
  });
});

describe("temp roots", () => {
  test("stand in the file of the process, each once, and go with the last store", async () => {
    const root = tempRoot();
    const store = await openStore({ root });
    const second = await openStore({ root });
    const file = join(store.stateDir, "temproots", `${process.pid}`);
    expect(existsSync(file)).toBe(false);
    await Promise.all([store.addTempRoot(a), second.addTempRoot(b)]);
    await second.addTempRoot(a);
    expect(readFileSync(file, "utf8").split("\0").sort()).toEqual(["", a, b].sort());
    await store.close();
    expect(existsSync(file)).toBe(true);
    await second.close();
    expect(existsSync(file)).toBe(false);
  });

  test("the file is locked as long as its process lives", async () => {
    const root = tempRoot();
    const { lockFile } = await import("../src/files.js");
    const other = child(root, "hold-root", "a");
    const pid = await other.line();
    const file = join(root, "nix/var/nix/temproots", pid);
    expect(readFileSync(file, "utf8")).toBe(`${a}\0`);
    expect(await lockFile(file, { wait: false })).toBeUndefined();
    other.process.kill("SIGKILL");
    await other.ended;
    expect(existsSync(file)).toBe(true);
  });

  test("a worker thread has a file of its own", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    await store.addTempRoot(b);
    const worker = new Worker(new URL("./support/child.ts", import.meta.url), {
      argv: [root, "hold-root", "a"],
      execArgv: [...childArgs.slice(0, 2)],
      stdin: true,
      stdout: true,
    });
    await once(worker.stdout, "data");
    const dir = join(store.stateDir, "temproots");
    const own = `${process.pid}`;
    const { threadId } = worker;
    expect(readdirSync(dir).sort()).toEqual([own, `${own}.${threadId}`]);
    expect(readFileSync(join(dir, `${own}.${threadId}`), "utf8")).toBe(`${a}\0`);
    worker.stdin?.end();
    await once(worker, "exit");
    expect(readdirSync(dir)).toEqual([own]);
    expect(readFileSync(join(dir, own), "utf8")).toBe(`${b}\0`);
  });

  test("a second copy of the package in one process leaves the file of the first alone", async () => {
    const root = tempRoot();
    const dir = join(root, "temproots");
    const first = new TempRoots(root);
    const second = new TempRoots(root);
    await Promise.all([first.add([a]), second.add([b])]);
    expect(readdirSync(dir).sort()).toEqual([`${process.pid}`, `${process.pid}-2`]);
    await first.close();
    expect(readdirSync(dir)).toEqual([`${process.pid}-2`]);
    await first.add([a]);
    expect(readdirSync(dir).sort()).toEqual([`${process.pid}`, `${process.pid}-2`]);
    await Promise.all([first.close(), second.close()]);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("wait while a collector decides", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    const { lockFile } = await import("../src/files.js");
    const gc = await lockFile(join(store.stateDir, "gc.lock"), { wait: true });
    const file = join(store.stateDir, "temproots", `${process.pid}`);
    const adding = store.addTempRoot(a);
    await using temp = await store.makeTempDir(); // the file itself needs no collector
    expect(temp.path).toContain("tmp-");
    expect(readFileSync(file, "utf8")).toBe("");
    gc?.release();
    await adding;
    await store.addTempRoots([b, c]);
    expect(readFileSync(file, "utf8")).toBe(`${a}\0${b}\0${c}\0`);
    await new Promise((resolve) => setImmediate(resolve));
    const again = await lockFile(join(store.stateDir, "gc.lock"), { wait: false });
    expect(again).toBeDefined(); // held no longer than this go of the event loop
    again?.release();
  });
});
