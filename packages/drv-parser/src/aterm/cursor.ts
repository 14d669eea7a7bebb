import { SyntaxErrorAt } from "../error.js";

const [quote, backslash] = [0x22, 0x5c];
const escapes: Readonly<Record<number, number>> = { 110: 0x0a, 114: 0x0d, 116: 0x09 };

/** A position in the bytes of a derivation. Reads forward only, so that the whole takes linear time. */
export class Cursor {
  at = 0;
  /** First thing seen that a printer never writes, when reading is lenient. */
  irregular: { readonly offset: number; readonly what: string } | undefined;

  readonly bytes: Uint8Array;

  constructor(
    bytes: Uint8Array,
    readonly lenient: boolean,
  ) {
    // Views of a Buffer would be Buffers, whose `slice` and equality are not those of a Uint8Array.
    this.bytes =
      bytes.constructor === Uint8Array
        ? bytes
        : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

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
    let at = start;
    let code = bytes[at];
    while (code !== quote && code !== backslash && code !== undefined) {
      at += 1;
      code = bytes[at];
    }
    if (code === backslash) return this.#escaped(start, at);
    if (code === undefined) this.fail("the end of a string", at);
    this.at = at + 1;
    return bytes.subarray(start, at);
  }

  /** A string with escapes: finds its end, then copies what they stand for. */
  #escaped(start: number, firstEscape: number): Uint8Array {
    const { bytes } = this;
    let end = firstEscape;
    let escapeCount = 0;
    while (bytes[end] !== quote) {
      if (bytes[end] === backslash) {
        escapeCount += 1;
        end += 1;
      }
      if (end >= bytes.length) this.fail("the end of a string", bytes.length);
      end += 1;
    }
    this.at = end + 1;

    const whole = new Uint8Array(end - start - escapeCount);
    whole.set(bytes.subarray(start, firstEscape));
    for (let from = firstEscape, to = firstEscape - start; from < end; from += 1, to += 1) {
      let code = bytes[from] as number;
      if (code === backslash) {
        from += 1;
        code = this.#meaningOf(bytes[from] as number, from - 1);
      }
      whole[to] = code;
    }
    return whole;
  }

  /** What a byte behind a backslash stands for: without a meaning, itself. */
  #meaningOf(code: number, offset: number): number {
    if (code === quote || code === backslash) return code;
    const meaning = escapes[code];
    if (meaning === undefined) this.irregularity(offset, "a needless escape");
    return meaning ?? code;
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
