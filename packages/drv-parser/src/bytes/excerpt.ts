const reach = 24;
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** What stands around a byte, on one line, with that byte in angle brackets: for messages. */
export function excerptOf(bytes: Uint8Array, offset: number): string {
  const before = bytes.subarray(Math.max(0, offset - reach), offset);
  const at = bytes.subarray(offset, offset + 1);
  const after = bytes.subarray(offset + 1, offset + 1 + reach);
  return [
    before.length < offset ? "…" : "",
    shown(before),
    `⟨${shown(at)}⟩`,
    shown(after),
    offset + 1 + after.length < bytes.length ? "…" : "",
  ].join("");
}

function shown(bytes: Uint8Array): string {
  return lenient.decode(bytes).replace(/[\u0000-\u001f\u007f]/gu, (character) => {
    const code = character.charCodeAt(0);
    return { 9: "\\t", 10: "\\n", 13: "\\r" }[code] ?? `\\x${code.toString(16).padStart(2, "0")}`;
  });
}
