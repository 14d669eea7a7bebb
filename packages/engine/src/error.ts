import { EngineError } from "@drvkit/drv-parser";

/**
 * Codes of the engine's own errors.
 *
 * - `ERR_SETTING`: a setting has an unknown name or an invalid value
 * - `ERR_CONFIG_SYNTAX`: a line of a configuration file cannot be read
 * - `ERR_TARGET`: an argument names nothing that can be built
 * - `ERR_IMPORT_MISSING`: a member of a closure given as files is not in the folder
 * - `ERR_IMPORT_MISMATCH`: a file's content does not give the store path in its name
 * - `ERR_OUT_LINK`: a link to a result cannot be made where it was asked for
 * - `ERR_SANDBOX_PATH`: a sandbox path is malformed or its source is missing
 * - `ERR_STORE_UNWRITABLE`: the store asked for is the machine's own or cannot be written
 * - `ERR_SOURCE_MISSING`: there is no source at the path
 * - `ERR_SOURCE_UNREADABLE`: a file of a source may not be read
 * - `ERR_SOURCE_TYPE`: a source has a device, FIFO or socket in it
 * - `ERR_SOURCE_CHANGED`: a source was changed while it was read
 * - `ERR_SOURCE_NAME`: a source with filters has a name that is no UTF-8
 * - `ERR_SOURCE_FILTER`: the name of an ignore file is no file name
 * - `ERR_ENGINE_CLOSED`: the engine was closed
 * - `ERR_HOOK_PROGRAM`: the program of a hook is not where it was looked for
 * - `ERR_POST_BUILD_HOOK`: the post-build hook failed
 * - `ERR_DIFF_HOOK`: the diff hook failed, which changes nothing
 * - `ERR_SECRET_KEY`: the file of a key that is to sign cannot be read
 * - `ERR_JSON_LOG`: the file of `json-log-path` cannot be opened
 * - `ERR_NO_BUILD_UID`: no user id is free for a build
 * - `ERR_BUILD_DIR`: the directory that builds work in cannot be made, or others could replace it
 * - `ERR_BUILD_USERS`: the group of `build-users-group` cannot be used
 * - `ERR_UID_RANGE`: a build asks for ids for a whole machine, and there are none to give
 * - `ERR_IMPURE_HOST_DEP`: a derivation asks to see a path of this machine that is not allowed
 * - `ERR_PRE_BUILD_HOOK`: the pre-build hook failed
 * - `ERR_HOME_EXISTS`: builds without a sandbox would find a home
 */
export type EngineErrorCode =
  | "ERR_SETTING"
  | "ERR_CONFIG_SYNTAX"
  | "ERR_TARGET"
  | "ERR_IMPORT_MISSING"
  | "ERR_IMPORT_MISMATCH"
  | "ERR_OUT_LINK"
  | "ERR_SANDBOX_PATH"
  | "ERR_STORE_UNWRITABLE"
  | "ERR_SOURCE_MISSING"
  | "ERR_SOURCE_UNREADABLE"
  | "ERR_SOURCE_TYPE"
  | "ERR_SOURCE_CHANGED"
  | "ERR_SOURCE_NAME"
  | "ERR_SOURCE_FILTER"
  | "ERR_ENGINE_CLOSED"
  | "ERR_HOOK_PROGRAM"
  | "ERR_POST_BUILD_HOOK"
  | "ERR_DIFF_HOOK"
  | "ERR_SECRET_KEY"
  | "ERR_JSON_LOG"
  | "ERR_NO_BUILD_UID"
  | "ERR_BUILD_DIR"
  | "ERR_BUILD_USERS"
  | "ERR_UID_RANGE"
  | "ERR_IMPURE_HOST_DEP"
  | "ERR_PRE_BUILD_HOOK"
  | "ERR_HOME_EXISTS";

/** An error of the engine: wrong input, or a machine that cannot do what was asked. */
export class EngineSetupError extends EngineError {
  constructor(
    override readonly code: EngineErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(code, message, options);
    this.name = "EngineSetupError";
  }
}

/** Whether `error` carries this code, whatever package it comes from. */
export function hasCode(error: unknown, code: string): error is Error & { readonly code: string } {
  return error instanceof Error && (error as { readonly code?: unknown }).code === code;
}
