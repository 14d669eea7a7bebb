import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFile,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { LogPort, LogWriter } from "../ports/log.js";
import { type LogExtension, logNamesOf, logPath } from "./names.js";

/** How a log is compressed once it is complete. */
export interface LogCompression {
  /** Behind the name of the log. */
  readonly extension: LogExtension;
  /** Writes a compressed copy of `source` to `target`. */
  readonly compress: (source: string, target: string) => Promise<void>;
}

/** Where logs are, how they are compressed, and how it is told that one is being written. */
export interface FileLogOptions {
  readonly logDir: string;
  /** Without it logs stay plain. */
  readonly compression?: LogCompression;
  /** Takes a lock on an open log that ends with its descriptor: without it nobody can tell whether more will come. */
  readonly lock?: (fd: number) => void;
}

const write = promisify(writeFile);

/**
 * Logs as files in Nix's layout: plain while the build runs, so that it can be followed, then compressed and renamed.
 * Names are made and removed on this thread: handing a call to another one takes longer.
 */
export function makeFileLog({ logDir, compression, lock = () => undefined }: FileLogOptions): LogPort {
  const means: LogMeans = { compression, lock };
  return {
    async open(drvPath) {
      const path = logPath(logDir, drvPath);
      const log = new FileLog(path, means);
      // Many a builder says nothing. But who asks for the log of one that runs is not to be given that of an earlier build.
      if (logNamesOf(path).some((name) => existsSync(name))) log.begin();
      return log;
    },
  };
}

/** What all logs of one place have in common. */
interface LogMeans {
  readonly compression: LogCompression | undefined;
  readonly lock: (fd: number) => void;
  /** What an empty log is when it is compressed, once that is known. */
  emptyCompressed?: Uint8Array;
}

/** A new file, in directories that are made if need be. */
function openNew(path: string): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const openIt = () => openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
  try {
    return openIt();
  } catch (error) {
    if (hasCode(error, "ENOENT")) mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    else if (hasCode(error, "EEXIST"))
      rmSync(path); // of a process that was killed
    else throw error;
    return openIt();
  }
}

/**
 * A file that has its name only when it is locked: whoever finds one that is not knows that nobody writes it. Who reads an
 * earlier log of that name still has it. The locks of the outputs keep two builds of one derivation apart.
 */
function openLocked(path: string, lock: (fd: number) => void): number {
  const unlocked = `${path}.new`;
  const fd = openNew(unlocked);
  try {
    lock(fd);
    renameSync(unlocked, path);
    return fd;
  } catch (error) {
    closeSync(fd);
    rmSync(unlocked, { force: true });
    throw error;
  }
}

class FileLog implements LogWriter {
  /** Of the file, once it is made. */
  #fd: number | undefined;
  /** The last one that was asked for, well or not: they go one after another, and none is left when the descriptor closes. */
  #written: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private readonly means: LogMeans,
  ) {}

  /** Makes the file. */
  begin(): number {
    this.#fd ??= openLocked(this.path, this.means.lock);
    return this.#fd;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#closing !== undefined) throw new Error("the log is closed");
    const fd = this.begin();
    const written = this.#written.then(() => write(fd, bytes));
    this.#written = written.catch(() => undefined);
    await written;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#written;
    const { compression, emptyCompressed } = this.means;
    const isSilent = this.#fd === undefined;
    if (isSilent && compression !== undefined && emptyCompressed !== undefined)
      return this.#finish(compression, (target) => writeNew(target, emptyCompressed));
    closeSync(this.begin());
    const complete = `${this.path}${compression?.extension ?? ""}`;
    if (compression !== undefined) {
      await this.#finish(compression, (target) => {
        rmSync(target, { force: true }); // of a process that was killed
        return compression.compress(this.path, target);
      });
      if (isSilent) this.means.emptyCompressed = readFileSync(complete);
    }
    for (const name of logNamesOf(this.path)) if (name !== complete) rmSync(name, { force: true });
  }

  /** The compressed log gets its name when it is complete. */
  async #finish(
    { extension }: LogCompression,
    fill: (target: string) => Promise<void> | void,
  ): Promise<void> {
    const compressed = `${this.path}${extension}`;
    const unfinished = `${compressed}.new`;
    try {
      await fill(unfinished);
      renameSync(unfinished, compressed);
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    }
  }
}

function writeNew(path: string, bytes: Uint8Array): void {
  const fd = openNew(path);
  try {
    writeFileSync(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
