import { bytesOf, paddingOf } from "./bytes.js";

/** A fixed string of the format and how it stands in an archive: length, bytes, padding. */
export interface Word {
  readonly text: string;
  readonly block: Uint8Array;
}

/** Length of a string as it stands before its bytes. */
export function lengthBlock(length: number): Uint8Array {
  const block = new Uint8Array(8);
  const view = new DataView(block.buffer);
  view.setUint32(0, length % 2 ** 32, true);
  view.setUint32(4, Math.floor(length / 2 ** 32), true);
  return block;
}

/** A string as it stands in an archive. */
export function stringBlock(bytes: Uint8Array): Uint8Array {
  const block = new Uint8Array(8 + bytes.length + paddingOf(bytes.length));
  block.set(lengthBlock(bytes.length));
  block.set(bytes, 8);
  return block;
}

function word(text: string): Word {
  return { text, block: stringBlock(bytesOf(text)) };
}

/** Every fixed string of the format. */
export const words = {
  magic: word("nix-archive-1"),
  open: word("("),
  close: word(")"),
  type: word("type"),
  regular: word("regular"),
  executable: word("executable"),
  nothing: word(""),
  contents: word("contents"),
  symlink: word("symlink"),
  target: word("target"),
  directory: word("directory"),
  entry: word("entry"),
  name: word("name"),
  node: word("node"),
} as const;
