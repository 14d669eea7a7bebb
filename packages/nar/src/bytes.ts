const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** UTF-8 of `text`. */
export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text that `bytes` encode, `undefined` when they encode none. */
export function textOrUndefined(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

const mostShown = 80;

/** For messages: in quotes, control characters escaped, long texts cut. */
export function show(bytes: Uint8Array): string {
  const text = lenient.decode(bytes.subarray(0, mostShown));
  const escaped = text.replace(/[\u0000-\u001f\u007f]/gu, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `'${escaped}${bytes.length > mostShown ? "…" : ""}'`;
}

/** Order of byte strings: unsigned bytes, a shorter prefix first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const difference = (a[index] as number) - (b[index] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The parts one after another. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Length of the zero bytes behind a string of `length` bytes: up to a multiple of 8. */
export function paddingOf(length: number): number {
  return (8 - (length % 8)) % 8;
}
