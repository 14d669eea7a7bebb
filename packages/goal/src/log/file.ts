import { closeSync, constants, mkdirSync, openSync, renameSync, rmSync, writeFile } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { baseNameOf, type StorePath } from "@drvkit/drv-parser";
import type { LogPort, LogWriter } from "../ports/log.js";

/** How a log is compressed once it is complete. */
export interface LogCompression {
  /** Behind the name of the log. */
  readonly extension: LogExtension;
  /** Writes a compressed copy of `source` to `target`. */
  readonly compress: (source: string, target: string) => Promise<void>;
}

/** The compressions of logs, by what is behind their names. */
export type LogExtension = ".bz2" | ".zst";

/** Where logs are, how they are compressed, and how it is told that one is being written. */
export interface FileLogOptions {
  readonly logDir: string;
  /** Without it logs stay plain. */
  readonly compression?: LogCompression;
  /** Takes a lock on an open log that ends with its descriptor: without it nobody can tell whether more will come. */
  readonly lock?: (fd: number) => void;
}

const extensions: readonly LogExtension[] = [".bz2", ".zst"];
const write = promisify(writeFile);

/**
 * Logs as files in Nix's layout: plain while the build runs, so that it can be followed, then compressed and renamed.
 * Names are made and removed on this thread: handing a call to another one takes longer.
 */
export function makeFileLog({ logDir, compression, lock = () => undefined }: FileLogOptions): LogPort {
  return {
    async open(drvPath) {
      const path = logPath(logDir, drvPath);
      return new FileLog(path, openNew(path, lock), compression);
    },
  };
}

/** `drvs/XX/REST` of the base name's first two characters and the rest. */
export function logPath(logDir: string, drvPath: StorePath): string {
  const base = baseNameOf(drvPath);
  return join(logDir, "drvs", base.slice(0, 2), base.slice(2));
}

/**
 * A file that has its name only when it is locked: whoever finds one that is not knows that nobody writes it. Who reads an
 * earlier log of that name still has it. The locks of the outputs keep two builds of one derivation apart.
 */
function openNew(path: string, lock: (fd: number) => void): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const unlocked = `${path}.new`;
  const openIt = () => openSync(unlocked, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
  let fd: number;
  try {
    fd = openIt();
  } catch (error) {
    if (hasCode(error, "ENOENT")) mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    else if (hasCode(error, "EEXIST"))
      rmSync(unlocked); // of a process that was killed
    else throw error;
    fd = openIt();
  }
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
  /** The last one that was asked for, well or not: they go one after another, and none is left when the descriptor closes. */
  #written: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private readonly fd: number,
    private readonly compression: LogCompression | undefined,
  ) {}

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#closing !== undefined) throw new Error("the log is closed");
    const written = this.#written.then(() => write(this.fd, bytes));
    this.#written = written.catch(() => undefined);
    await written;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#written;
    closeSync(this.fd);
    const { path, compression } = this;
    if (compression !== undefined) await this.#compress(compression);
    for (const extension of extensions)
      if (extension !== compression?.extension) rmSync(`${path}${extension}`, { force: true });
  }

  async #compress({ extension, compress }: LogCompression): Promise<void> {
    const compressed = `${this.path}${extension}`;
    const unfinished = `${compressed}.new`;
    rmSync(unfinished, { force: true }); // of a process that was killed
    try {
      await compress(this.path, unfinished);
      renameSync(unfinished, compressed);
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    }
    rmSync(this.path, { force: true });
  }
}

/** How compressed logs are read. */
export interface OpenLogOptions {
  readonly decompress: Readonly<Record<LogExtension, (path: string) => AsyncIterable<Uint8Array>>>;
}

/** A log as it was found. */
export type FoundLog =
  | { readonly isPlain: true; readonly handle: FileHandle }
  | { readonly isPlain: false; readonly chunks: AsyncIterable<Uint8Array> };

/** The log of a derivation: plain, else compressed, in the layout of two levels, else of one. `undefined`: none. */
export async function openLog(
  logDir: string,
  drvPath: StorePath,
  options: OpenLogOptions,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const found = await findLog(logDir, drvPath, options);
  if (found?.isPlain === true) return found.handle.createReadStream() as AsyncIterable<Uint8Array>;
  return found?.chunks;
}

export async function findLog(
  logDir: string,
  drvPath: StorePath,
  { decompress }: OpenLogOptions,
): Promise<FoundLog | undefined> {
  for (const path of [logPath(logDir, drvPath), join(logDir, "drvs", baseNameOf(drvPath))]) {
    const handle = await openIfThere(path);
    if (handle !== undefined) return { isPlain: true, handle };
    for (const extension of extensions) {
      const compressed = `${path}${extension}`;
      const there = await openIfThere(compressed);
      await there?.close();
      if (there !== undefined) return { isPlain: false, chunks: decompress[extension](compressed) };
    }
  }
  return undefined;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
