import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashBytes, printHash } from "@drvkit/drv-parser";
import type { Database, RootDatabase } from "lmdb";
import { allocateFile, lockFile } from "./files.js";
import type { Layout } from "./layout.js";
import { loadLmdb, lockFileBytes } from "./lmdb.js";

/** `sources`: what a source tree came to when it was last read. */
export type CacheTable = "sources";

/** What may be forgotten at any time; asking and telling never fail. */
export interface StoreCache {
  get(table: CacheTable, key: Uint8Array): Promise<Uint8Array | undefined>;
  put(table: CacheTable, key: Uint8Array, value: Uint8Array): Promise<void>;
}

/** Told at most once for each opening, when the cache cannot be used. */
export type OnCacheWarning = (message: string) => void;

interface Handles {
  readonly root: RootDatabase<Buffer, Buffer>;
  readonly tables: Readonly<Record<CacheTable, Database<Buffer, Buffer>>>;
}

/** Address space, not disk. */
const mapBytes = 64 * 2 ** 20;
/** A file that has grown beyond this starts anew: its entries are small, and all of it is hashed at each opening. */
const maxFileBytes = 16 * 2 ** 20;

/**
 * The LMDB environment `cache.mdb` of a store, opened at its first use, never synced.
 *
 * LMDB ends the process on a file that a power failure or somebody else has damaged. So a stamp beside it, written with each commit
 * under `cache.lock`, has the hash of the file: an environment without its own stamp is deleted before LMDB sees it.
 */
export class CacheEnvironment implements StoreCache {
  readonly #dir: string;
  readonly #lock: string;
  readonly #onWarning: OnCacheWarning;
  #handles: Handles | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #failed = false;

  constructor(layout: Layout, onWarning: OnCacheWarning) {
    this.#dir = join(layout.stateDir, "drvkit/cache.mdb");
    this.#lock = join(layout.stateDir, "drvkit/cache.lock");
    this.#onWarning = onWarning;
  }

  get(table: CacheTable, key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#attempt((handles) => {
      try {
        const value = handles.tables[table].get(Buffer.from(key));
        return value && Uint8Array.from(value);
      } finally {
        handles.root.resetReadTxn(); // else it does not see what others commit from now on
      }
    });
  }

  async put(table: CacheTable, key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.#attempt(() =>
      this.#exclusively(async () => {
        const { root, tables } = await this.#handlesOfStamped();
        root.readerCheck();
        root.transactionSync(() => void tables[table].put(Buffer.from(key), Buffer.from(value)));
        this.#writeStamp();
      }),
    );
  }

  /** Waits for what was asked. A later use opens it again. */
  async close(): Promise<void> {
    await this.#turn;
    this.#drop();
  }

  /** One after the other; after a failure nothing is tried any more. */
  #attempt<T>(use: (handles: Handles) => T | Promise<T>): Promise<T | undefined> {
    const turn = this.#turn.then(async () => {
      if (this.#failed) return undefined;
      try {
        this.#handles ??= await this.#exclusively(() => this.#open());
        return await use(this.#handles);
      } catch (error) {
        this.#fail(error);
        return undefined;
      }
    });
    this.#turn = turn;
    return turn;
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#drop();
    // The next process starts anew, whatever it was.
    rmSync(this.#files().stamp, { force: true });
    const reason = error instanceof Error ? error.message : String(error);
    this.#onWarning(`the cache in '${this.#dir}' is not used: ${reason}`);
  }

  /** Opened again if somebody has deleted or changed the environment since; the lock must be held. */
  async #handlesOfStamped(): Promise<Handles> {
    if (!this.#isStamped()) this.#drop();
    this.#handles ??= await this.#open();
    return this.#handles;
  }

  /** Without pending asynchronous writes, and there are none, LMDB's module closes before it returns. */
  #drop(): void {
    void this.#handles?.root.close();
    this.#handles = undefined;
  }

  async #exclusively<T>(action: () => T | Promise<T>): Promise<T> {
    const lock = await lockFile(this.#lock, { wait: true });
    try {
      return await action();
    } finally {
      lock?.release();
    }
  }

  async #open(): Promise<Handles> {
    const isStamped = this.#isStamped();
    if (!isStamped) {
      rmSync(this.#dir, { recursive: true, force: true });
      mkdirSync(this.#dir, { mode: 0o700 });
      // A sparse one gives SIGBUS to its readers once the disk is full.
      allocateFile(this.#files().lock, lockFileBytes);
    }
    const lmdb = loadLmdb();
    const encoding = { encoding: "binary", keyEncoding: "binary", cache: false } as const;
    const root = lmdb.open<Buffer, Buffer>({
      ...encoding,
      path: this.#dir,
      noSubdir: false,
      mapSize: mapBytes,
      maxReaders: 1024,
      noSync: true,
      overlappingSync: false,
    });
    const tables = { sources: root.openDB<Buffer, Buffer>({ ...encoding, name: "sources" }) };
    if (!isStamped) this.#writeStamp();
    return { root, tables };
  }

  #isStamped(): boolean {
    try {
      const { data, stamp } = this.#files();
      return statSync(data).size <= maxFileBytes && readFileSync(stamp, "latin1") === this.#hash();
    } catch {
      return false;
    }
  }

  #writeStamp(): void {
    writeFileSync(this.#files().stamp, this.#hash());
  }

  #hash(): string {
    return printHash(hashBytes("sha256", readFileSync(this.#files().data)), "base16");
  }

  #files(): { readonly data: string; readonly lock: string; readonly stamp: string } {
    return {
      data: join(this.#dir, "data.mdb"),
      lock: join(this.#dir, "lock.mdb"),
      stamp: join(this.#dir, "stamp"),
    };
  }
}
