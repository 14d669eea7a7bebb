import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileError, readOnly, StoreError } from "./error.js";
import { allocateFile, lockFile } from "./files.js";
import {
  databaseError,
  type Handles,
  isLmdbError,
  type Lmdb,
  loadLmdb,
  lockFileBytes,
  type Mode,
  openHandles,
} from "./lmdb.js";
import {
  type Database,
  emptyTables,
  formatVersion,
  metaKey,
  type ReadTables,
  type WriteTables,
} from "./schema.js";

/** Somebody's changes, on the way into a commit. */
interface Transaction {
  /** May be called again when a commit fails: it keeps nothing outside of the tables. */
  readonly transact: (tables: WriteTables) => unknown;
  /** Tells who waits for it what the attempt came to. */
  settle(attempt: () => unknown): void;
}

function raise(error: unknown): never {
  throw error;
}

/** Address space, not disk; LMDB grows it by itself, also when another process has grown the file. */
const defaultMapBytes = 2 ** 30;

/**
 * The LMDB environment in one directory, one for the whole process however many stores are opened on it.
 *
 * Commits are synchronous: LMDB's asynchronous ones end the process when the disk is full, even when they are awaited.
 * So that a commit never waits on the event loop for the writer of another process, every writer first takes the lock
 * `write.lock`, and waits for that one asynchronously.
 */
export class Environment implements Database {
  readonly #lmdb: Lmdb;
  readonly #dir: string;
  readonly #mapBytes: number;
  #handles: Handles | undefined;
  #mode: Mode = "read";
  #turn: Promise<unknown> = Promise.resolve();
  readonly #waiting: Transaction[] = [];
  #committing: Promise<void> | undefined;

  private constructor(lmdb: Lmdb, dir: string, mapBytes: number) {
    this.#lmdb = lmdb;
    this.#dir = dir;
    this.#mapBytes = mapBytes;
  }

  /** The module of LMDB is loaded here, so that this package can be imported where LMDB has no binary. */
  static async make(dir: string, mapBytes = defaultMapBytes): Promise<Environment> {
    return new Environment(loadLmdb(), dir, mapBytes);
  }

  /**
   * Makes the database if there is none, and writable if it is not.
   *
   * @throws `ERR_STORE_DIR_MISMATCH`, `ERR_STORE_FORMAT` when it was made by or for something else.
   */
  async openForWriting(storeDir: string): Promise<void> {
    try {
      mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fileError(error, this.#dir);
    }
    await this.#exclusively(() => {
      const { data, lock } = this.#files();
      // A sparse lock.mdb gives SIGBUS to every reader once the disk is full. While LMDB has it open nobody in this process may
      // open and close it: that would drop the process's own record locks.
      if (!existsSync(data) || !existsSync(lock)) allocateFile(lock, lockFileBytes);
      if (this.#mode === "read") this.#drop();
      this.#mode = "write";
      if (this.read((tables) => tables.meta.get(metaKey("format"))) === undefined) {
        this.#commit((tables) => {
          tables.meta.put(metaKey("format"), Buffer.from(formatVersion));
          tables.meta.put(metaKey("storeDir"), Buffer.from(storeDir));
        });
      }
    });
    this.checkStoreDir(storeDir);
  }

  /** @throws `ERR_STORE_DIR_MISMATCH` when the store was made for another store directory. */
  checkStoreDir(storeDir: string): void {
    const stored = this.read((tables) => tables.meta.get(metaKey("storeDir")));
    if (stored === undefined || Buffer.from(stored).toString() === storeDir) return;
    throw new StoreError(
      "ERR_STORE_DIR_MISMATCH",
      `store in '${this.#dir}' has the store directory '${Buffer.from(stored).toString()}', not '${storeDir}'`,
      { hint: "open it with its own store directory, or use another store", path: this.#dir },
    );
  }

  read<T>(query: (tables: ReadTables) => T): T {
    const handles = this.#open();
    if (handles === undefined) return query(emptyTables);
    try {
      return query(handles.tables);
    } finally {
      // LMDB's module keeps its snapshot until a timer fires: without this a query in the meantime would not see what another
      // process committed before it released the lock we were waiting for.
      handles.root.resetReadTxn();
    }
  }

  /** Changes of several writers may be one commit; each is told after it. */
  async write<T>(transact: (tables: WriteTables) => T): Promise<T> {
    if (this.#mode !== "write") throw readOnly(`store in '${this.#dir}' is open for reading only`, this.#dir);
    return new Promise((resolve, reject) => {
      const settle = (attempt: () => unknown) => {
        try {
          resolve(attempt() as T);
        } catch (error) {
          reject(fileError(error, this.#dir));
        }
      };
      this.#waiting.push({ transact, settle });
      if (this.#waiting.length === 1) this.#committing = this.#commitWaiting();
    });
  }

  /** One commit, and so one wait for the disk, for all that is ready when its time has come. */
  async #commitWaiting(): Promise<void> {
    try {
      await setImmediate(); // who is told of something in this go of the event loop takes part
      await this.#exclusively(() => this.#commitTogether(this.#waiting.splice(0)));
    } catch (error) {
      for (const { settle } of this.#waiting.splice(0)) settle(() => raise(error));
    }
  }

  #commitTogether(transactions: readonly Transaction[]): void {
    const values = transactions.length > 1 ? this.#tryTogether(transactions) : undefined;
    for (const [index, { transact, settle }] of transactions.entries())
      settle(() => (values === undefined ? this.#commit(transact) : values[index]));
  }

  /** Who fails does not take others along: then nothing is committed here, but each by itself. */
  #tryTogether(transactions: readonly Transaction[]): readonly unknown[] | undefined {
    try {
      return this.#commit((tables) => transactions.map(({ transact }) => transact(tables)));
    } catch {
      return undefined;
    }
  }

  /** Waits for its own writers. A later use opens it again. */
  async close(): Promise<void> {
    await this.#committing;
    await this.#turn;
    this.#drop();
  }

  /** Runs `action` when neither this process nor another one writes. */
  #exclusively<T>(action: () => T): Promise<T> {
    const path = join(this.#dir, "write.lock");
    const turn = this.#turn.then(async () => {
      try {
        const lock = await lockFile(path, { wait: true });
        try {
          return action();
        } finally {
          lock?.release();
        }
      } catch (error) {
        throw fileError(error, this.#dir);
      }
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #commit<T>(transact: (tables: WriteTables) => T): T {
    try {
      const handles = this.#open();
      if (handles === undefined) throw new Error(`bug: no database in '${this.#dir}'`);
      // A reader that was killed would keep its snapshot, and the file would grow with every commit.
      handles.root.readerCheck();
      return handles.root.transactionSync(() => transact(handles.tables));
    } catch (error) {
      if (!isLmdbError(error)) throw error;
      // After some failures LMDB refuses every later transaction of the environment; a new one starts from the last commit.
      this.#drop();
      const failure = databaseError(error, this.#dir);
      // While the lock is held: opening tables for writing takes a write transaction.
      this.#open();
      throw failure;
    }
  }

  /** The handles, opened if need be; nothing while there is no database to read. */
  #open(): Handles | undefined {
    if (this.#handles === undefined && (this.#mode === "write" || mayRead(this.#files().data))) {
      try {
        this.#handles = openHandles(this.#lmdb, {
          dir: this.#dir,
          mode: this.#mode,
          mapBytes: this.#mapBytes,
        });
      } catch (error) {
        throw isLmdbError(error) ? databaseError(error, this.#dir) : error;
      }
    }
    return this.#handles;
  }

  /** Without pending asynchronous writes, and there are none, LMDB's module closes before it returns. */
  #drop(): void {
    void this.#handles?.root.close();
    this.#handles = undefined;
  }

  #files(): { data: string; lock: string } {
    return { data: join(this.#dir, "data.mdb"), lock: join(this.#dir, "lock.mdb") };
  }
}

/**
 * Whether there is a file to read. That there is one but not for us is no empty store.
 *
 * @throws `ERR_STORE_UNREADABLE`
 */
function mayRead(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return false;
    throw new StoreError("ERR_STORE_UNREADABLE", `'${file}' cannot be read`, {
      hint: "ask as the owner of the store, or choose another with --store",
      path: file,
      cause: error,
    });
  }
}
