import { SyntaxErrorAt } from "../error.js";

const [quote, backslash] = [0x22, 0x5c];
const escapes: Readonly<Record<number, number>> = { 110: 0x0a, 114: 0x0d, 116: 0x09 };

/** A position in the bytes of a derivation. Reads forward only, so that the whole takes linear time. */
export class Cursor {
  at = 0;
  /** First thing seen that a printer never writes, when reading is lenient. */
  irregular: { readonly offset: number; readonly what: string } | undefined;

  constructor(
    readonly bytes: Uint8Array,
    readonly lenient: boolean,
  ) {}

  peek(): number | undefined {
    return this.bytes[this.at];
  }

  take(text: string): void {
    for (let index = 0; index < text.length; index += 1)
      if (this.bytes[this.at + index] !== text.charCodeAt(index)) this.fail(`'${text}'`);
    this.at += text.length;
  }

  takeByte(code: number): void {
    if (this.bytes[this.at] !== code) this.fail(`'${String.fromCharCode(code)}'`);
    this.at += 1;
  }

  /** One string with its quotes; a plain one is a view of the input, not a copy. */
  string(): Uint8Array {
    this.takeByte(quote);
    const { bytes } = this;
    const start = this.at;
    const end = bytes.indexOf(quote, start);
    if (end < 0) this.fail("the end of a string", bytes.length);
    const firstEscape = indexOfBefore(bytes, backslash, start, end);
    if (firstEscape < 0) {
      this.at = end + 1;
      return bytes.subarray(start, end);
    }
    return this.#escaped(start, firstEscape);
  }

  #escaped(start: number, firstEscape: number): Uint8Array {
    const { bytes } = this;
    const pieces: Uint8Array[] = [];
    let [from, at, size] = [start, firstEscape, 0];
    const keep = (piece: Uint8Array) => {
      pieces.push(piece);
      size += piece.length;
    };
    for (;;) {
      const code = bytes[at];
      if (code === undefined) this.fail("the end of a string", bytes.length);
      if (code === quote) break;
      if (code !== backslash) {
        at += 1;
        continue;
      }
      keep(bytes.subarray(from, at));
      const escaped = bytes[at + 1];
      if (escaped === undefined) this.fail("the end of a string", bytes.length);
      const replaced = escapes[escaped];
      if (replaced === undefined && escaped !== quote && escaped !== backslash)
        this.irregularity(at, "a needless escape");
      keep(Uint8Array.of(replaced ?? escaped));
      at += 2;
      from = at;
    }
    keep(bytes.subarray(from, at));
    this.at = at + 1;
    const whole = new Uint8Array(size);
    let to = 0;
    for (const piece of pieces) {
      whole.set(piece, to);
      to += piece.length;
    }
    return whole;
  }

  /** Reads `[ITEM,ITEM,…]`. */
  list(item: () => void): void {
    this.takeByte(0x5b);
    if (this.peek() === 0x5d) {
      this.at += 1;
      return;
    }
    for (;;) {
      item();
      const next = this.peek();
      if (next === 0x5d) {
        this.at += 1;
        return;
      }
      if (next === 0x2c) this.at += 1;
      else if (next === undefined || (next !== quote && next !== 0x28)) this.fail("',' or ']'");
      else this.irregularity(this.at, "a missing comma");
    }
  }

  /** Something no printer writes: refused, or noted when lenient. */
  irregularity(offset: number, what: string): void {
    if (!this.lenient) throw new SyntaxErrorAt("ERR_DRV_SYNTAX", offset, "the canonical form", what);
    this.irregular ??= { offset, what };
  }

  fail(expected: string, offset = this.at): never {
    const byte = this.bytes[offset];
    const found =
      byte === undefined
        ? "the end"
        : byte > 0x20 && byte < 0x7f
          ? `'${String.fromCharCode(byte)}'`
          : `byte 0x${byte.toString(16).padStart(2, "0")}`;
    throw new SyntaxErrorAt("ERR_DRV_SYNTAX", offset, expected, found, {
      hint: "the file is no derivation, or it was cut or changed",
    });
  }
}

/** `indexOf` that stops at `end`: the next occurrence may be far behind it. */
function indexOfBefore(bytes: Uint8Array, code: number, start: number, end: number): number {
  if (end - start > 64) {
    const found = bytes.subarray(start, end).indexOf(code);
    return found < 0 ? -1 : found + start;
  }
  for (let index = start; index < end; index += 1) if (bytes[index] === code) return index;
  return -1;
}
