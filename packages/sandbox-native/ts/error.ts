/**
 * Why a call of this package failed.
 *
 * - `ERR_PLATFORM`: this machine is no supported Linux, or the addon for it is not installed.
 * - `ERR_SANDBOX_SPEC`: a field of the sandbox description has no single meaning.
 * - `ERR_SANDBOX_UNAVAILABLE`: an isolation layer cannot be had on this machine; the hint names what decides it.
 * - `ERR_SANDBOX_SETUP`: a step of the set-up failed; `step`, `path` and `errno` say which.
 * - `ERR_PROGRAM_SPEC`: options of a program outside of the sandbox that have no single meaning.
 * - `ERR_PROGRAM_START`: such a program cannot be started or executed; `step`, `path` and `errno` say why.
 * - `ERR_PIPE_CLOSED`: a program does not read its standard input any more.
 * - `ERR_TREE_OWNERSHIP`: a file in a tree belongs to somebody else.
 * - `ERR_TREE_TYPE`: a file in a tree is of a type that has no place in a store object.
 * - `ERR_TREE_DEPTH`: a tree is nested more deeply than an archive may be.
 * - `ERR_TREE_IO`: reading or writing a tree failed; `step`, `path` and `errno` say where and why.
 * - `ERR_TREE_EXISTS`: the target exists.
 * - `ERR_TREE_ARCHIVE`: the bytes that were to become a tree are no archive.
 * - `ERR_TREE_CHANGED`: a file was changed or replaced while it was read.
 * - `ERR_CANCELLED`: the call ended on request; callers get the reason of their signal instead.
 * - `ERR_TREE_NOT_UTF8`: a name or link target that was to become text is none.
 * - `ERR_XZ_DATA`, `ERR_ZSTD_DATA`, `ERR_BZIP2_DATA`, `ERR_GZIP_DATA`, `ERR_BROTLI_DATA`, `ERR_LZ4_DATA`: compressed data is damaged, cut
 *   short, or followed by something else.
 * - `ERR_CODEC_SIZE`: compressed data holds more than was declared.
 * - `ERR_CODEC_MEMORY`: decompressing it would take more memory than is allowed.
 * - `ERR_NO_SPACE`: the file system or the user's share of it is full.
 * - `ERR_CGROUP`: a control group cannot be made, limited or removed.
 * - `ERR_LOCK_IO`: a lock file cannot be used.
 * - `ERR_OS`: another operation of the system failed; `errno` says why.
 * - `ERR_BUG`: an invariant of this package broke.
 */
export type SandboxErrorCode =
  | "ERR_PLATFORM"
  | "ERR_SANDBOX_SPEC"
  | "ERR_SANDBOX_UNAVAILABLE"
  | "ERR_SANDBOX_SETUP"
  | "ERR_PROGRAM_SPEC"
  | "ERR_PROGRAM_START"
  | "ERR_PIPE_CLOSED"
  | "ERR_TREE_OWNERSHIP"
  | "ERR_TREE_TYPE"
  | "ERR_TREE_DEPTH"
  | "ERR_TREE_IO"
  | "ERR_TREE_EXISTS"
  | "ERR_TREE_ARCHIVE"
  | "ERR_TREE_CHANGED"
  | "ERR_CANCELLED"
  | "ERR_TREE_NOT_UTF8"
  | "ERR_XZ_DATA"
  | "ERR_ZSTD_DATA"
  | "ERR_BZIP2_DATA"
  | "ERR_GZIP_DATA"
  | "ERR_BROTLI_DATA"
  | "ERR_LZ4_DATA"
  | "ERR_CODEC_SIZE"
  | "ERR_CODEC_MEMORY"
  | "ERR_NO_SPACE"
  | "ERR_CGROUP"
  | "ERR_LOCK_IO"
  | "ERR_OS"
  | "ERR_BUG";

/** The fields of a failure as the addon reports them. */
export interface Failure {
  readonly code: SandboxErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly step?: string;
  readonly path?: string;
  readonly errno?: number;
}

/** What to do, where the code alone says it. */
const hints: Partial<Record<SandboxErrorCode, string>> = {
  ERR_NO_SPACE: "free space on that file system and try again",
  ERR_TREE_TYPE: "only regular files, directories and symlinks can be stored",
  ERR_TREE_EXISTS: "choose a name that is free, or remove what is there",
  ERR_TREE_DEPTH: "an archive has room for 64 levels",
  ERR_TREE_NOT_UTF8: "read such a tree with functions that take names as bytes",
  ERR_CODEC_SIZE: "do not trust its origin, or allow more",
  ERR_CODEC_MEMORY: "allow more memory if you trust its origin",
  ERR_TREE_CHANGED: "try again when nothing writes to it",
};

/** What a native call came to. */
export type Outcome<T> = { readonly value: T; readonly error?: never } | { readonly error: Failure };

/** Every error this package throws. Recognise it by `code`: two installed copies have two classes. */
export class SandboxError extends Error {
  readonly code: SandboxErrorCode;
  /** What the reader can do about it. */
  readonly hint?: string;
  /** The step that failed. */
  readonly step?: string;
  /** The path it was about. */
  readonly path?: string;
  /** The number the kernel gave. */
  readonly errno?: number;

  constructor(failure: Failure, options?: { readonly cause?: unknown }) {
    super(failure.message, options);
    this.name = "SandboxError";
    this.code = failure.code;
    const hint = failure.hint ?? hints[failure.code];
    if (hint !== undefined) this.hint = hint;
    if (failure.step !== undefined) this.step = failure.step;
    if (failure.path !== undefined) this.path = failure.path;
    if (failure.errno !== undefined) this.errno = failure.errno;
  }
}

/**
 * The value of an outcome.
 *
 * @throws SandboxError with the fields of the failure.
 */
export function unwrap<T>(outcome: Outcome<T>): T {
  if (outcome.error !== undefined) throw new SandboxError(outcome.error);
  return outcome.value;
}
