import { compareText, type StorePath } from "@drvkit/drv-parser";
import { fileError } from "./error.js";
import { type FileLock, lockFile } from "./files.js";

/** Exclusive locks on a set of outputs, between goals of one process and between processes. Disposing releases them. */
export interface OutputLocks extends AsyncDisposable {
  /** Delete the lock files on release; asked for only once the outputs are registered. */
  deleteOnRelease(): void;
}

/** How {@link lockOutputs} waits. */
export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Called once for each target that somebody else holds, before waiting for it. */
  readonly onWait?: (path: StorePath) => void;
}

/** All locks or none, never waiting: `undefined` when somebody else holds one. */
export async function tryLockOutputs(
  targets: Iterable<StorePath>,
  realPathOf: (path: StorePath) => string,
): Promise<OutputLocks | undefined> {
  return acquire(targets, realPathOf, async () => undefined);
}

/** All locks, waiting for each in turn. */
export async function lockOutputs(
  targets: Iterable<StorePath>,
  realPathOf: (path: StorePath) => string,
  options: LockOptions = {},
): Promise<OutputLocks> {
  const { signal, onWait } = options;
  const locks = await acquire(targets, realPathOf, (path, file) => {
    onWait?.(path);
    return lockFile(file, signal === undefined ? { wait: true } : { wait: true, signal });
  });
  if (locks === undefined) throw new Error("bug: a lock that is waited for was not obtained");
  return locks;
}

/** Ascending order, whoever asks: two holders of a part never wait for each other. */
async function acquire(
  targets: Iterable<StorePath>,
  realPathOf: (path: StorePath) => string,
  whenBusy: (path: StorePath, file: string) => Promise<FileLock | undefined>,
): Promise<OutputLocks | undefined> {
  const held: FileLock[] = [];
  const release = () => {
    for (const lock of held.splice(0)) lock.release();
  };
  for (const target of [...new Set(targets)].sort(compareText)) {
    const file = `${realPathOf(target)}.lock`;
    try {
      const lock = (await lockFile(file, { wait: false })) ?? (await whenBusy(target, file));
      if (lock === undefined) {
        release();
        return undefined;
      }
      held.push(lock);
    } catch (error) {
      release();
      throw fileError(error, file);
    }
  }
  return outputLocks(held);
}

function outputLocks(held: FileLock[]): OutputLocks {
  let deleteFiles = false;
  return {
    deleteOnRelease() {
      deleteFiles = true;
    },
    async [Symbol.asyncDispose]() {
      const failures: unknown[] = [];
      for (const lock of held.splice(0)) {
        try {
          if (deleteFiles) lock.releaseAndDelete();
          else lock.release();
        } catch (error) {
          failures.push(error); // the other locks are given back all the same
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
