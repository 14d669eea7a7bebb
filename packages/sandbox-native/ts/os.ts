import { type Outcome, unwrap } from "./error.js";
import { loadAddon } from "./platform.js";
import type { FileLock } from "./types.js";

/** How {@link lockFile} takes a lock. */
export interface LockOptions {
  /** Whether to wait while somebody else has it. */
  readonly wait: boolean;
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Take it together with others that ask for the same; default: alone. */
  readonly shared?: boolean;
}

/** The file system that holds a path. */
export interface FileSystemType {
  /** The number by which the kernel names it. */
  readonly magic: number;
  /** Its usual name, or `unknown`. */
  readonly name: string;
  /** Whether other machines may change it, so that neither locks nor shared memory can be relied on. */
  readonly network: boolean;
}

interface NativeLock {
  release(): void;
  releaseAndDelete(): Outcome<void>;
}

interface LockRequest {
  wait(): Promise<Outcome<NativeLock | null>>;
  abandon(): void;
}

interface OsAddon {
  lockDescriptor(descriptor: number, shared: boolean): Outcome<boolean>;
  tryLockFile(path: string, shared: boolean): Outcome<NativeLock | null>;
  readonly LockRequest: new (path: string, shared: boolean) => LockRequest;
  fileSystemType(path: string): Outcome<FileSystemType>;
  freeBytes(path: string): Outcome<number>;
  allocateFile(path: string, bytes: number): Outcome<void>;
}

const addon = () => loadAddon() as OsAddon;

/**
 * Takes the `flock` of a file, made with mode 0600 if it is absent; `undefined` when somebody else has it and `wait` is false.
 *
 * Two calls in one process exclude each other like two processes. A file that its last owner deleted is passed over for a new one. Waiting
 * takes no thread of Node.
 *
 * @throws SandboxError `ERR_LOCK_IO` when the file is a link, of another type or cannot be opened; the reason of `signal` when it aborts.
 * @see Nix: src/libstore/pathlocks.cc, `PathLocks::lockPaths`
 * @example
 * const lock = await lockFile("/tmp/x.lock", { wait: true });
 */
export async function lockFile(path: string, options: LockOptions): Promise<FileLock | undefined> {
  const { wait, signal, shared = false } = options;
  signal?.throwIfAborted();
  const atOnce = unwrap(addon().tryLockFile(path, shared));
  if (atOnce !== null) return fileLock(atOnce);
  return wait ? waitForLock(new (addon().LockRequest)(path, shared), signal) : undefined;
}

async function waitForLock(request: LockRequest, signal: AbortSignal | undefined): Promise<FileLock> {
  const abandon = () => request.abandon();
  const waiting = request.wait();
  signal?.addEventListener("abort", abandon, { once: true });
  try {
    const lock = unwrap(await waiting);
    // Both may have happened: the signal then decides.
    if (signal?.aborted) lock?.release();
    signal?.throwIfAborted();
    if (lock === null) throw new Error("bug: a wait that nobody abandoned ended without its lock");
    return fileLock(lock);
  } finally {
    signal?.removeEventListener("abort", abandon);
  }
}

function fileLock(lock: NativeLock): FileLock {
  return {
    release: () => lock.release(),
    releaseAndDelete: () => unwrap(lock.releaseAndDelete()),
  };
}

/**
 * Takes the `flock` of a file that is open as `fd`, without waiting; `false` when somebody else has it in a mode that excludes this one.
 *
 * The lock lasts until the descriptor is closed. One that `fd` has already changes to `mode`; if it cannot, it may be lost. Two opens of one
 * file exclude each other, also in one process.
 *
 * @throws SandboxError `ERR_OS`, with `errno` EBADF for what is no open descriptor.
 * @see flock(2)
 * @example
 * const writing = openSync("/tmp/x.log", "w");
 * lockDescriptor(writing, "exclusive"); // whoever gets "shared" of it knows that nobody writes any more
 */
export function lockDescriptor(fd: number, mode: "shared" | "exclusive"): boolean {
  return unwrap(addon().lockDescriptor(fd, mode === "shared"));
}

/**
 * Allocates the first `bytes` bytes of a file, made with mode 0600 if it is absent; what it holds stays.
 *
 * A file that is mapped into memory needs this: a write to a page for which the disk has no room ends the process.
 *
 * @throws SandboxError `ERR_NO_SPACE` when they do not fit; `ERR_OS`.
 */
export function allocateFile(path: string, bytes: number): void {
  unwrap(addon().allocateFile(path, bytes));
}

/**
 * The type of the file system that holds `path`.
 *
 * @throws SandboxError `ERR_OS`
 */
export function fileSystemType(path: string): FileSystemType {
  return unwrap(addon().fileSystemType(path));
}

/**
 * Bytes that an ordinary user may still write on the file system of `path`.
 *
 * @throws SandboxError `ERR_OS`
 */
export async function freeBytes(path: string): Promise<number> {
  return unwrap(addon().freeBytes(path));
}
