import { bytesOf, concatBytes } from "./text.js";

const slash = 0x2f;

/**
 * The bytes with every occurrence of the keys replaced, which are ASCII and begin with a slash. From left to right; what
 * was put in is not looked at again.
 */
export function replaceAll(bytes: Uint8Array, replacements: ReadonlyMap<string, string>): Uint8Array {
  if (replacements.size === 0) return bytes;
  const lengths = new Set([...replacements.keys()].map((key) => key.length));
  // Placeholders begin like few paths: most slashes need no closer look.
  const seconds = new Set([...replacements.keys()].map((key) => key.charCodeAt(1)));
  const parts: Uint8Array[] = [];
  let start = 0;
  let at = bytes.indexOf(slash);
  while (at >= 0) {
    const found = seconds.has(bytes[at + 1] ?? -1) ? keyAt(bytes, at, lengths, replacements) : undefined;
    if (found === undefined) {
      at = bytes.indexOf(slash, at + 1);
      continue;
    }
    parts.push(bytes.subarray(start, at), bytesOf(replacements.get(found) ?? ""));
    start = at + found.length;
    at = bytes.indexOf(slash, start);
  }
  return parts.length === 0 ? bytes : concatBytes([...parts, bytes.subarray(start)]);
}

function keyAt(
  bytes: Uint8Array,
  at: number,
  lengths: ReadonlySet<number>,
  replacements: ReadonlyMap<string, string>,
): string | undefined {
  for (const length of lengths) {
    const text = String.fromCharCode(...bytes.subarray(at, at + length));
    if (replacements.has(text)) return text;
  }
  return undefined;
}
