import { EngineSetupError } from "../error.js";

/** What the addon says about a failed step. */
interface StepFailure extends Error {
  readonly code?: unknown;
  readonly path?: unknown;
  readonly errno?: unknown;
}

const [EPERM, ENOENT, EACCES, ENOTDIR, ELOOP] = [1, 2, 13, 20, 40];

/** An error of reading the source at `top` as what it means for its owner; any other comes back as it is. */
export function sourceError(error: unknown, top: string): unknown {
  if (!(error instanceof Error)) return error;
  const { code, path, errno } = error as StepFailure;
  const file = Buffer.isBuffer(path) ? path.toString() : path;
  if (typeof file !== "string" || !(file === top || file.startsWith(`${top}/`))) return error;
  if (code === "ERR_TREE_TYPE")
    return new EngineSetupError("ERR_SOURCE_TYPE", `file '${file}' has an unsupported type`, {
      hint: "only regular files, folders and symlinks can be added; leave it out with an exclude pattern",
      cause: error,
    });
  switch (typeof errno === "number" ? Math.abs(errno) : undefined) {
    case EACCES:
    case EPERM:
      return new EngineSetupError("ERR_SOURCE_UNREADABLE", `cannot read '${file}': permission denied`, {
        hint: "make it readable, or leave it out with an exclude pattern",
        cause: error,
      });
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
      return changed(file, error);
    default:
      return code === "ERR_TREE_CHANGED" ? changed(file, error) : error;
  }
}

function changed(file: string, cause: unknown): EngineSetupError {
  return new EngineSetupError("ERR_SOURCE_CHANGED", `'${file}' was changed while it was read`, {
    hint: "try again when nothing writes to the source",
    cause,
  });
}
