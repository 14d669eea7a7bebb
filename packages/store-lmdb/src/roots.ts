import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
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

  constructor(stateDir: string) {
    this.#dir = join(stateDir, "temproots");
    this.#gcLock = join(stateDir, "gc.lock");
  }

  /** Makes the locked file if there is none yet. */
  async ensure(): Promise<void> {
    await this.#ensured();
  }

  /** Protects `path` from garbage collection until {@link close} or the end of the process. */
  async add(path: StorePath): Promise<void> {
    const file = await this.#ensured();
    if (this.#added.has(path)) return;
    try {
      // Shared: while a collector decides, it holds the lock alone.
      const gc = await lockFile(this.#gcLock, { wait: true, shared: true });
      try {
        await file.handle.appendFile(`${path}\0`);
      } finally {
        gc?.release();
      }
    } catch (error) {
      throw fileError(error, this.#dir);
    }
    this.#added.add(path);
  }

  /** Gives all temp roots up. A later use starts again. */
  async close(): Promise<void> {
    const file = await this.#file;
    this.#file = undefined;
    this.#added.clear();
    await file?.handle.close();
    file?.lock.releaseAndDelete();
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
  readonly lock: FileLock;
  readonly handle: FileHandle;
}

async function openFile(dir: string): Promise<TempRootsFile> {
  await mkdir(dir, { recursive: true, mode: 0o755 });
  // A flock belongs to the thread's own open file, so a worker thread has a file of its own.
  const file = join(dir, isMainThread ? `${process.pid}` : `${process.pid}.${threadId}`);
  // A file of our pid is of a process that is gone. Not to be locked first: content marks a lock file as stale.
  await rm(file, { force: true });
  const lock = await lockFile(file, { wait: true });
  if (lock === undefined) throw new Error("bug: a lock that is waited for was not obtained");
  try {
    return { lock, handle: await open(file, "a") };
  } catch (error) {
    lock.releaseAndDelete();
    throw error;
  }
}
