/** Base of every error this project throws on purpose: a stable `code`, a message, what to do about it. */
export class EngineError extends Error {
  /** What to do about it. */
  readonly hint?: string;

  constructor(
    readonly code: string,
    message: string,
    options: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "EngineError";
    if (options.hint !== undefined) this.hint = options.hint;
  }
}

/**
 * Codes of this package.
 *
 * - `ERR_STORE_PATH`: a text is no store path, or a name is not allowed in one
 * - `ERR_STORE_DIR`: a text is no store directory
 * - `ERR_OUTPUT_NAME`: a text is no output name
 * - `ERR_HASH`: a text is no hash, or of another algorithm
 * - `ERR_CONTENT_ADDRESS`: a text is no content address
 * - `ERR_NOT_UTF8`: bytes were asked for as text and are none
 * - `ERR_DRV_SYNTAX`: a derivation file cannot be read; see `offset`, `expected`, `found`
 * - `ERR_DRV_TYPE`: the outputs of a derivation do not go together
 * - `ERR_DRV_OUTPUT`: an output's fields contradict each other
 * - `ERR_DRV_UNPRINTABLE`: a derivation cannot be written
 * - `ERR_DRV_INPUT`: an input derivation lacks an output that is asked of it
 * - `ERR_DRV_OUTPUT_PATH`: an output path is not the one the derivation gives
 * - `ERR_DRV_ENVIRONMENT`: the variable of an output does not hold its path
 * - `ERR_DRV_ATTRIBUTE`: an attribute has the wrong type
 * - `ERR_DRV_CONTEXT`: a dependency was turned into a bare string
 * - `ERR_DERIVED_PATH`: a text is no derived path
 * - `ERR_JSON_SYNTAX`: a text is no JSON
 * - `ERR_DRV_JSON`: JSON describes no derivation
 */
export type DrvErrorCode =
  | "ERR_STORE_PATH"
  | "ERR_STORE_DIR"
  | "ERR_OUTPUT_NAME"
  | "ERR_HASH"
  | "ERR_CONTENT_ADDRESS"
  | "ERR_NOT_UTF8"
  | "ERR_DRV_SYNTAX"
  | "ERR_DRV_TYPE"
  | "ERR_DRV_OUTPUT"
  | "ERR_DRV_UNPRINTABLE"
  | "ERR_DRV_INPUT"
  | "ERR_DRV_OUTPUT_PATH"
  | "ERR_DRV_ENVIRONMENT"
  | "ERR_DRV_ATTRIBUTE"
  | "ERR_DRV_CONTEXT"
  | "ERR_DERIVED_PATH"
  | "ERR_JSON_SYNTAX"
  | "ERR_DRV_JSON";

/** An error of this package. */
export class DrvError extends EngineError {
  /** Where in what was read the trouble is, in bytes from 0; with errors of reading only. */
  readonly offset?: number;

  constructor(
    override readonly code: DrvErrorCode,
    message: string,
    options: {
      readonly hint?: string | undefined;
      readonly cause?: unknown;
      readonly offset?: number | undefined;
    } = {},
  ) {
    super(code, message, options);
    this.name = "DrvError";
    if (options.offset !== undefined) this.offset = options.offset;
  }
}

/** Where and why reading stopped. Offsets count bytes from 0. */
export class SyntaxErrorAt extends DrvError {
  constructor(
    code: "ERR_DRV_SYNTAX" | "ERR_JSON_SYNTAX",
    override readonly offset: number,
    readonly expected: string,
    readonly found: string,
    options: { readonly hint?: string | undefined; readonly excerpt?: string | undefined } = {},
  ) {
    const where = options.excerpt === undefined ? "" : `, in '${options.excerpt}'`;
    super(code, `expected ${expected} at offset ${offset}, found ${found}${where}`, options);
    this.name = "SyntaxErrorAt";
  }
}
