/** A character for each byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

const charactersBefore = 16;
const charactersAfter = 32;

/** A text whose characters are bytes, for people: those that are no plain text as `\xNN`. */
export function printable(text: string): string {
  return [...text].map(plain).join("");
}

/** What is around character `at` of such a text, of its line alone. */
export function excerpt(text: string, at: number): string {
  const line = at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1;
  const end = text.indexOf("\n", at);
  const until = Math.min(end < 0 ? text.length : end + 1, at + charactersAfter);
  return printable(text.slice(Math.max(line, at - charactersBefore), until));
}

const names: Readonly<Record<string, string>> = { "\n": "\\n", "\t": "\\t", "\\": "\\\\" };

function plain(character: string): string {
  if (names[character] !== undefined) return names[character];
  if (character >= " " && character <= "~") return character;
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
