import type { NarEvent } from "./event.js";
import type { NarLimits } from "./limits.js";
import { NarParser } from "./parser.js";

/**
 * Events of an archive that is in memory, whole or in pieces. The next piece is taken when the events of the last one
 * have been.
 *
 * @throws {@link NarError} `ERR_NAR_SYNTAX`, `ERR_NAR_TRUNCATED`, `ERR_NAR_TRAILING`, `ERR_NAR_NAME`, `ERR_NAR_ORDER`,
 *   `ERR_NAR_LIMIT`. Events before that place have been given by then.
 * @see Nix: src/libutil/archive.cc, `parseDump`
 */
export function* parseNar(
  source: Uint8Array | Iterable<Uint8Array>,
  limits?: Partial<NarLimits>,
): Generator<NarEvent, void, undefined> {
  const parser = new NarParser(limits);
  for (const chunk of isBytes(source) ? [source] : source) yield* eventsOf(parser, chunk);
  parser.finish();
}

/**
 * Events of an archive that streams in: of a file, a response, a decompressor. Nothing is read ahead, so that a slow
 * reader slows its source, and a reader that stops early closes it.
 *
 * @throws {@link NarError} as {@link parseNar}; whatever the source throws.
 */
export async function* parseNarStream(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limits?: Partial<NarLimits>,
): AsyncGenerator<NarEvent, void, undefined> {
  const parser = new NarParser(limits);
  for await (const chunk of source) yield* eventsOf(parser, chunk);
  parser.finish();
}

function* eventsOf(parser: NarParser, chunk: Uint8Array): Generator<NarEvent, void, undefined> {
  parser.push(chunk);
  for (let event = parser.next(); event !== undefined; event = parser.next()) yield event;
  // What follows the archive is refused now: the source may go on for long.
  if (parser.ended && parser.rest.length > 0) parser.finish();
}

function isBytes(source: Uint8Array | Iterable<Uint8Array>): source is Uint8Array {
  return ArrayBuffer.isView(source);
}
