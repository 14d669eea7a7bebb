import type { FileHandle } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import type { StorePath } from "@drvkit/drv-parser";
import { findLog, type OpenLogOptions } from "./read.js";

/** How a log is followed. */
export interface FollowLogOptions extends OpenLogOptions {
  /** Whether somebody has the lock of an open log and may write more. */
  readonly isWritten: (fd: number) => boolean;
  /** Whether the wait for a log is over because none will come. */
  readonly isOver?: () => Promise<boolean>;
  /** Told once when there is no log yet. */
  readonly onWait?: () => void;
  readonly signal?: AbortSignal;
  /** Between two looks; 100 unless given. */
  readonly pollMs?: number;
}

const chunkBytes = 64 * 1024;

/**
 * The log of a derivation as it grows, whatever process builds it, to the end of that build; of one that has ended, all of
 * it. Without a log it waits for one; `undefined` when none will come.
 *
 * @throws the reason of the signal, also while it is iterated.
 */
export async function followLog(
  logDir: string,
  drvPath: StorePath,
  options: FollowLogOptions,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  for (let said = false; ; said = true) {
    const isOver = (await options.isOver?.()) === true; // asked first: a log that is complete by then is found
    const found = await findLog(logDir, drvPath, options);
    if (found !== undefined) return found.isPlain ? grown(found.handle, options) : found.chunks;
    if (isOver) return undefined;
    if (!said) options.onWait?.();
    await pause(options);
  }
}

/** What is there, and what comes until nobody writes any more. A log that takes the place of this one is another one. */
async function* grown(handle: FileHandle, options: FollowLogOptions): AsyncGenerator<Uint8Array, void> {
  await using log = handle;
  for (;;) {
    yield* rest(log);
    if (!options.isWritten(log.fd)) break;
    await pause(options);
  }
  yield* rest(log); // written between the last look and the end
}

async function* rest(handle: FileHandle): AsyncGenerator<Uint8Array, void> {
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(chunkBytes), 0, chunkBytes);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function pause({ signal, pollMs = 100 }: FollowLogOptions): Promise<void> {
  signal?.throwIfAborted();
  await wait(pollMs, undefined, { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
}
