import { appendFileSync, closeSync, openSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isMainThread, threadId } from "node:worker_threads";
import type { StorePath } from "@drvkit/drv-parser";
import { fileError } from "./error.js";
import { type FileLock, lockFile } from "./files.js";

/**
 * The temp roots of this process: `temproots/<pid>`, locked as long as the process uses the store, each path followed by
 * a NUL byte. That the file is locked is also how a garbage collector knows that `tmp-<pid>-…` in the store is in use.
 *
 * @see Nix: src/libstore/gc.cc, `LocalStore::addTempRoot`
 */
export class TempRoots {
  readonly #dir: string;
  readonly #gcLock: string;
  readonly #added = new Set<StorePath>();
  #file: Promise<TempRootsFile> | undefined;
  /** Held to the end of this go of the event loop: whoever adds many takes it once, and a collector waits no longer. */
  #gc: Promise<void> | undefined;

  constructor(stateDir: string) {
    this.#dir = join(stateDir, "temproots");
    this.#gcLock = join(stateDir, "gc.lock");
  }

  /** Makes the locked file if there is none yet. */
  async ensure(): Promise<void> {
    await this.#ensured();
  }

  /** Protects them from garbage collection until {@link close} or the end of the process. */
  async add(paths: Iterable<StorePath>): Promise<void> {
    const file = await this.#ensured();
    const added = [...paths].filter((path) => !this.#added.has(path));
    if (added.length === 0) return;
    try {
      await (this.#gc ??= this.#holdOffCollector());
      // A few hundred bytes for the page cache: handing them to another thread takes longer than writing them.
      appendFileSync(file.fd, added.map((path) => `${path}\0`).join(""));
    } catch (error) {
      throw fileError(error, this.#dir);
    }
    for (const path of added) this.#added.add(path);
  }

  /** Shared: while a collector decides, it holds the lock alone. */
  async #holdOffCollector(): Promise<void> {
    try {
      const lock = await lockFile(this.#gcLock, { wait: true, shared: true });
      setImmediate(() => {
        this.#gc = undefined;
        lock?.release();
      });
    } catch (error) {
      this.#gc = undefined;
      throw error;
    }
  }

  /** Gives all temp roots up. A later use starts again. */
  async close(): Promise<void> {
    const file = await this.#file;
    this.#file = undefined;
    this.#added.clear();
    if (file !== undefined) closeSync(file.fd);
    file?.lock.releaseAndDelete();
    if (file !== undefined) inUse.delete(file.path);
  }

  #ensured(): Promise<TempRootsFile> {
    this.#file ??= openFile(this.#dir).catch((error: unknown) => {
      this.#file = undefined;
      throw fileError(error, this.#dir);
    });
    return this.#file;
  }
}

interface TempRootsFile {
  readonly path: string;
  readonly lock: FileLock;
  readonly fd: number;
}

async function openFile(dir: string): Promise<TempRootsFile> {
  const path = join(dir, freeName(dir));
  inUse.add(path);
  try {
    await mkdir(dir, { recursive: true, mode: 0o755 });
    // A file of our pid is of a process that is gone. Not to be locked first: content marks a lock file as stale.
    await rm(path, { force: true });
    const lock = await lockFile(path, { wait: true });
    if (lock === undefined) throw new Error("bug: a lock that is waited for was not obtained");
    return { path, lock, fd: openSync(path, "a") };
  } catch (error) {
    inUse.delete(path);
    throw error;
  }
}

/** Files that this thread holds, through whatever installed copy of this package. */
const inUse = ((globalThis as Record<symbol, unknown>)[Symbol.for("@drvkit/store-lmdb/temproots")] ??=
  new Set()) as Set<string>;

/** The process id; with a suffix in a worker thread, and where another copy of this package has the name already. */
function freeName(dir: string): string {
  const own = isMainThread ? `${process.pid}` : `${process.pid}.${threadId}`;
  let name = own;
  for (let n = 2; inUse.has(join(dir, name)); n++) name = `${own}-${n}`;
  return name;
}
