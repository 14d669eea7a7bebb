import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { lockFile, removeTree } from "./files.js";
import type { Layout } from "./layout.js";

/**
 * Removes what processes that are gone left in a store: their files of temp roots, and the directories `tmp-<pid>-…`
 * they worked in. A process is gone when nobody holds the lock of its file.
 */
export async function sweepDeadProcesses({ stateDir, realStoreDir }: Layout): Promise<void> {
  const dead = await removeStaleRoots(join(stateDir, "temproots"));
  if (dead.size === 0) return;
  for (const name of await readdir(realStoreDir)) {
    const pid = /^tmp-(\d+)-[0-9a-f]+$/u.exec(name)?.[1];
    if (pid !== undefined && dead.has(pid)) await removeTree(join(realStoreDir, name));
  }
}

/** The ids of processes of which no file is held any more. */
async function removeStaleRoots(folder: string): Promise<ReadonlySet<string>> {
  const [dead, alive] = [new Set<string>(), new Set([`${process.pid}`])];
  for (const name of await namesIn(folder)) {
    const pid = /^\d+/u.exec(name)?.[0];
    if (pid === undefined || pid === `${process.pid}`) continue;
    const lock = await lockFile(join(folder, name), { wait: false });
    if (lock === undefined) alive.add(pid);
    else {
      dead.add(pid);
      lock.releaseAndDelete();
    }
  }
  for (const pid of alive) dead.delete(pid);
  return dead;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
