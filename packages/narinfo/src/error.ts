import { EngineError } from "@drvkit/drv-parser";

/**
 * Codes of this package.
 *
 * - `ERR_NARINFO_SYNTAX`: a text is no narinfo; see `line`, `expected`, `found`
 * - `ERR_NARINFO_UNPRINTABLE`: a value cannot stand in a narinfo
 * - `ERR_NARINFO_UNSIGNABLE`: nothing can be signed, because the size of the archive is not known
 * - `ERR_CACHE_INFO`: a text is no `nix-cache-info`
 * - `ERR_KEY`: a text is no key, or a key does not do what it is for
 * - `ERR_REALISATION`: a text is no realisation, or no key of one
 * - `ERR_REALISATION_CONFLICT`: two realisations of one output disagree
 * - `ERR_EXPORT_SYNTAX`: bytes are no export stream; see `offset`, `expected`, `found`
 * - `ERR_REGISTRATION_SYNTAX`: a text is no registration; see `line`, `expected`, `found`
 */
export type NarInfoErrorCode =
  | "ERR_NARINFO_SYNTAX"
  | "ERR_NARINFO_UNPRINTABLE"
  | "ERR_NARINFO_UNSIGNABLE"
  | "ERR_CACHE_INFO"
  | "ERR_KEY"
  | "ERR_REALISATION"
  | "ERR_REALISATION_CONFLICT"
  | "ERR_EXPORT_SYNTAX"
  | "ERR_REGISTRATION_SYNTAX";

/** Where and why reading stopped: a line counted from 1, or a byte counted from 0. */
export type NarInfoErrorPlace = { readonly expected: string; readonly found: string } & (
  | { readonly line: number }
  | { readonly offset: number }
);

/** An error of this package. */
export class NarInfoError extends EngineError {
  readonly line?: number;
  readonly offset?: number;
  readonly expected?: string;
  readonly found?: string;

  constructor(
    override readonly code: NarInfoErrorCode,
    message: string,
    options: { readonly hint?: string; readonly place?: NarInfoErrorPlace; readonly cause?: unknown } = {},
  ) {
    const { place } = options;
    super(code, place === undefined ? message : `${message}: ${placeText(place)}`, options);
    this.name = "NarInfoError";
    if (place === undefined) return;
    if ("line" in place) this.line = place.line;
    else this.offset = place.offset;
    this.expected = place.expected;
    this.found = place.found;
  }
}

function placeText(place: NarInfoErrorPlace): string {
  const where = "line" in place ? `line ${place.line}` : `offset ${place.offset}`;
  return `expected ${place.expected} at ${where}, found ${place.found}`;
}
