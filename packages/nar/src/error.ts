/**
 * Why an archive, its events or its listing were refused.
 *
 * - `ERR_NAR_SYNTAX`: the bytes are no archive
 * - `ERR_NAR_TRUNCATED`: the bytes end within the archive
 * - `ERR_NAR_TRAILING`: bytes follow the archive
 * - `ERR_NAR_NAME`: a name that no entry, or a target that no link may have
 * - `ERR_NAR_ORDER`: the names of a directory do not ascend, or one stands there twice
 * - `ERR_NAR_LIMIT`: deeper, longer or larger than allowed
 * - `ERR_NAR_EVENTS`: a sequence of events that describes no archive
 * - `ERR_NAR_ENTRY`: the archive has no such entry, or it is of another type
 * - `ERR_NAR_NOT_UTF8`: a name or target that a listing, which is text, cannot hold
 * - `ERR_NAR_LISTING`: a text is no listing
 */
export type NarErrorCode =
  | "ERR_NAR_SYNTAX"
  | "ERR_NAR_TRUNCATED"
  | "ERR_NAR_TRAILING"
  | "ERR_NAR_NAME"
  | "ERR_NAR_ORDER"
  | "ERR_NAR_LIMIT"
  | "ERR_NAR_EVENTS"
  | "ERR_NAR_ENTRY"
  | "ERR_NAR_NOT_UTF8"
  | "ERR_NAR_LISTING";

/** Where reading stopped. Offsets count bytes of the archive from 0. */
export interface NarErrorPlace {
  readonly offset: number;
  readonly expected: string;
  readonly found: string;
}

/** Every error that this package throws. Recognise it by `code`: two installed copies have two classes. */
export class NarError extends Error {
  /** What to do about it. */
  readonly hint?: string;
  /** Byte of the archive; with errors of reading only. */
  readonly offset?: number;
  readonly expected?: string;
  readonly found?: string;

  constructor(
    readonly code: NarErrorCode,
    message: string,
    options: { readonly hint?: string; readonly place?: NarErrorPlace; readonly cause?: unknown } = {},
  ) {
    const { place, hint, cause } = options;
    super(
      place === undefined
        ? message
        : `${message}: expected ${place.expected} at offset ${place.offset}, found ${place.found}`,
      cause === undefined ? undefined : { cause },
    );
    this.name = "NarError";
    if (hint !== undefined) this.hint = hint;
    if (place !== undefined) {
      this.offset = place.offset;
      this.expected = place.expected;
      this.found = place.found;
    }
  }
}
