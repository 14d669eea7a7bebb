import { compareText } from "@drvkit/drv-parser";

/**
 * What a build hook reads: integers of 8 bytes, the lowest first; strings with their length before them, filled up with
 * zeros to 8 bytes; sets in byte order with their size before them.
 *
 * @see Nix: src/libutil/serialise.cc
 */
export type HookValue = number | string | ReadonlySet<string>;

const unit = 8;

/** The bytes of these values, one after another. */
export function encodeHookValues(values: Iterable<HookValue>): Uint8Array {
  const pieces = [...values].flatMap(encode);
  const bytes = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

/** All settings as a hook gets them first, by name in byte order. */
export function hookSettings(settings: ReadonlyMap<string, string>): readonly HookValue[] {
  const sorted = [...settings].sort(([a], [b]) => compareText(a, b));
  return [...sorted.flatMap(([name, value]) => [1, name, value]), 0];
}

function encode(value: HookValue): readonly Uint8Array[] {
  if (typeof value === "number") return [integer(value)];
  if (typeof value === "string") return string(value);
  return [integer(value.size), ...[...value].sort(compareText).flatMap(string)];
}

function integer(value: number): Uint8Array {
  const bytes = new Uint8Array(unit);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

function string(text: string): readonly Uint8Array[] {
  const bytes = new TextEncoder().encode(text);
  return [integer(bytes.length), bytes, new Uint8Array((unit - (bytes.length % unit)) % unit)];
}
