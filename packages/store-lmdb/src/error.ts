import { EngineError } from "@drvkit/drv-parser";

/**
 * What a store refuses with. Stable, for programs:
 *
 * - `ERR_STORE_NOT_VALID`: a path is not registered; `path` says which.
 * - `ERR_STORE_CYCLE`: the references of a registration run in a circle.
 * - `ERR_STORE_PATH_MISMATCH`: a path does not follow from the content that is claimed for it.
 * - `ERR_STORE_HASH_MISMATCH`: what came from elsewhere has another hash or size than was said.
 * - `ERR_STORE_REALISATION`: a realisation depends on one that is not registered.
 * - `ERR_STORE_DIR_MISMATCH`: the store was made for another store directory, or a path belongs to another one.
 * - `ERR_STORE_HASH_PART`: a hash part that is none.
 * - `ERR_STORE_FORMAT`: the database has a format this version does not know, or a damaged record.
 * - `ERR_STORE_FOREIGN`: the place belongs to the machine or to an installed Nix.
 * - `ERR_STORE_NETWORK_FS`: the place is on a network file system.
 * - `ERR_STORE_READ_ONLY`: writing to a store that was opened for reading, or without permission.
 * - `ERR_STORE_UNREADABLE`: the files of the store may not be read.
 * - `ERR_STORE_NO_SPACE`: the file system is full; nothing was changed.
 * - `ERR_STORE_DATABASE`: LMDB refused for another reason, which is the `cause`.
 * - `ERR_STORE_CLOSED`: the store was closed before.
 */
export type StoreErrorCode =
  | "ERR_STORE_NOT_VALID"
  | "ERR_STORE_CYCLE"
  | "ERR_STORE_PATH_MISMATCH"
  | "ERR_STORE_HASH_MISMATCH"
  | "ERR_STORE_REALISATION"
  | "ERR_STORE_DIR_MISMATCH"
  | "ERR_STORE_HASH_PART"
  | "ERR_STORE_FORMAT"
  | "ERR_STORE_FOREIGN"
  | "ERR_STORE_NETWORK_FS"
  | "ERR_STORE_READ_ONLY"
  | "ERR_STORE_UNREADABLE"
  | "ERR_STORE_NO_SPACE"
  | "ERR_STORE_DATABASE"
  | "ERR_STORE_CLOSED";

/** What is known about a {@link StoreError} besides its message. */
export interface StoreErrorOptions {
  readonly hint: string;
  /** The store path or the file that it is about. */
  readonly path?: string;
  readonly cause?: unknown;
}

/** The store refused; `code` says why, `hint` what to do. */
export class StoreError extends EngineError {
  declare readonly code: StoreErrorCode;
  readonly path?: string;

  constructor(code: StoreErrorCode, message: string, options: StoreErrorOptions) {
    super(code, message, { hint: options.hint, cause: options.cause });
    this.name = "StoreError";
    if (options.path !== undefined) this.path = options.path;
  }
}

/** `path` is not registered. */
export function notValid(path: string): StoreError {
  return new StoreError("ERR_STORE_NOT_VALID", `path '${path}' is not valid`, {
    hint: "add, build or import it first",
    path,
  });
}

/** An error of writing to `path` if it means that there is no space; anything else comes back as it is. */
export function spaceError(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  return errno === "ENOSPC" || errno === "EDQUOT" ? noSpace(path, error) : error;
}

/** An error of a file of the store itself, told as what it means for the store; anything unexpected comes back as it is. */
export function fileError(error: unknown, path: string): unknown {
  switch (errnoOf(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return noSpace(path, error);
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return readOnly(`'${path}' cannot be written`, path, error);
    default:
      return error;
  }
}

/** The file system of `path` is full. */
export function noSpace(path: string, cause: unknown): StoreError {
  return new StoreError("ERR_STORE_NO_SPACE", `no space left for the store at '${path}'`, {
    hint: "free space on that file system and try again; the store is as it was before",
    path,
    cause,
  });
}

/** Something that would have to write must not. */
export function readOnly(message: string, path: string, cause?: unknown): StoreError {
  return new StoreError("ERR_STORE_READ_ONLY", message, {
    hint: "open the store as its owner and without readOnly, or choose another with --store",
    path,
    cause,
  });
}

/** Node puts the name in `code`; the addon puts the number in `errno`, or has a code of its own for a full disk. */
function errnoOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code, errno } = error as { code?: unknown; errno?: unknown };
  if (code === "ERR_NO_SPACE") return "ENOSPC";
  const name = typeof errno === "number" ? errnoNames.get(Math.abs(errno)) : undefined;
  return name ?? (typeof code === "string" ? code : undefined);
}

/** Linux, the same on all its architectures that we run on. */
const errnoNames = new Map([
  [1, "EPERM"],
  [13, "EACCES"],
  [28, "ENOSPC"],
  [30, "EROFS"],
  [122, "EDQUOT"],
]);
