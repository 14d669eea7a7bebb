import { bytesOf, hashPartOf, type OutputName, outputPlaceholder, type StorePath } from "@drvkit/drv-parser";

/** Bytes to bytes of the same meaning, in byte order of the left side. */
export type Rewrites = readonly (readonly [from: Uint8Array, to: Uint8Array])[];

/** Own placeholders to the paths where the outputs are written, and hash parts of paths that are taken to those instead. */
export function outputRewrites(
  scratch: ReadonlyMap<OutputName, StorePath>,
  known: ReadonlyMap<OutputName, StorePath | undefined>,
): Rewrites {
  return [...scratch]
    .flatMap(([name, path]): (readonly [string, string])[] => {
      const stated = known.get(name);
      const placeholder = [outputPlaceholder(name), path] as const;
      if (stated === undefined || stated === path) return [placeholder];
      return [placeholder, [hashPartOf(stated), hashPartOf(path)]];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([from, to]) => [bytesOf(from), bytesOf(to)] as const);
}

/** Replaces every occurrence, pair by pair, left to right. */
export function rewriteBytes(bytes: Uint8Array, rewrites: Rewrites): Uint8Array {
  return rewrites.reduce((current, [from, to]) => replaceAll(current, from, to), bytes);
}

function replaceAll(bytes: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  const places: number[] = [];
  for (let at = find(bytes, from, 0); at >= 0; at = find(bytes, from, at + from.length)) places.push(at);
  if (places.length === 0) return bytes;
  const result = new Uint8Array(bytes.length + places.length * (to.length - from.length));
  let [read, written] = [0, 0];
  for (const place of places) {
    result.set(bytes.subarray(read, place), written);
    written += place - read;
    result.set(to, written);
    written += to.length;
    read = place + from.length;
  }
  result.set(bytes.subarray(read), written);
  return result;
}

function find(bytes: Uint8Array, wanted: Uint8Array, start: number): number {
  const first = wanted[0] as number;
  for (let at = bytes.indexOf(first, start); at >= 0; at = bytes.indexOf(first, at + 1)) {
    let index = 1;
    while (index < wanted.length && bytes[at + index] === wanted[index]) index += 1;
    if (index === wanted.length) return at;
  }
  return -1;
}
