import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { baseNameOf, type StorePath } from "@drvkit/drv-parser";
import { type LogExtension, logExtensions, logPath } from "./names.js";

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
    for (const extension of logExtensions) {
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
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
