import { closeSync, constants, mkdirSync, openSync, renameSync, rmSync, writeFile } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { baseNameOf, type StorePath } from "@drvkit/drv-parser";
import type { LogPort, LogWriter } from "../ports/log.js";

/** Where logs are and how they are compressed once complete. */
export interface FileLogOptions {
  readonly logDir: string;
  /** Writes a bzip2 copy of `source` to `target`; without it logs stay plain. */
  readonly compress?: (source: string, target: string) => Promise<void>;
}

const write = promisify(writeFile);

/**
 * Logs as files in Nix's layout: plain while the build runs, so that it can be followed, then compressed and renamed.
 * Names are made and removed on this thread: handing a call to another one takes longer.
 */
export function makeFileLog({ logDir, compress }: FileLogOptions): LogPort {
  return {
    async open(drvPath) {
      const path = logPath(logDir, drvPath);
      return new FileLog(path, openNew(path), compress);
    },
  };
}

/** `drvs/XX/REST` of the base name's first two characters and the rest. */
export function logPath(logDir: string, drvPath: StorePath): string {
  const base = baseNameOf(drvPath);
  return join(logDir, "drvs", base.slice(0, 2), base.slice(2));
}

function openNew(path: string): number {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const openIt = () => openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o666);
  try {
    return openIt();
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    return openIt();
  }
}

class FileLog implements LogWriter {
  #closing: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private readonly fd: number,
    private readonly compress: FileLogOptions["compress"],
  ) {}

  async write(bytes: Uint8Array): Promise<void> {
    await write(this.fd, bytes);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    closeSync(this.fd);
    const compressed = `${this.path}.bz2`;
    if (this.compress === undefined) return rmSync(compressed, { force: true });
    const temporary = `${compressed}.tmp-${process.pid}`;
    try {
      await this.compress(this.path, temporary);
      renameSync(temporary, compressed);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    rmSync(this.path, { force: true });
  }
}

/** How compressed logs are read. */
export interface OpenLogOptions {
  readonly decompress: (path: string) => AsyncIterable<Uint8Array>;
}

/** The log of a derivation: plain, else compressed, in the layout of two levels, else of one. `undefined`: none. */
export async function openLog(
  logDir: string,
  drvPath: StorePath,
  { decompress }: OpenLogOptions,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  for (const path of [logPath(logDir, drvPath), join(logDir, "drvs", baseNameOf(drvPath))]) {
    const plain = await openIfThere(path);
    if (plain !== undefined) return plain.createReadStream() as AsyncIterable<Uint8Array>;
    const compressed = await openIfThere(`${path}.bz2`);
    if (compressed === undefined) continue;
    await compressed.close();
    return decompress(`${path}.bz2`);
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
