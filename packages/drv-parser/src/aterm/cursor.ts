import { excerptOf } from "../bytes/excerpt.js";
import { SyntaxErrorAt } from "../error.js";

const [quote, backslash] = [0x22, 0x5c];

/** What the letters behind a backslash stand for: line feed, carriage return, tab. */
const meanings: Readonly<Record<number, number>> = { 110: 0x0a, 114: 0x0d, 116: 0x09 };

/** 1 for every byte that is not in a string as it is: those three, the quote and the backslash. */
const special = new Uint8Array(256);
for (const code of [quote, backslash, ...Object.values(meanings)]) special[code] = 1;

/** A position in the bytes of a derivation. Reads forward only, so that the whole takes linear time. */
export class Cursor {
  at = 0;
  /** Where the string or entry begins that is being made sense of. */
  mark = 0;
  /** First thing seen that a printer never writes, when reading is lenient. */
  irregular: { readonly offset: number; readonly what: string } | undefined;

  readonly bytes: Uint8Array;
  /** Holds what strings with escapes stand for: never more than there are bytes from the first on. */
  #copies: Uint8Array | undefined;
  #copied = 0;

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

  /**
   * One string with its quotes; a plain one is a view of the input, not a copy.
   *
   * @param escaping Whether printers escape this field. They copy line ends and tabs into one that they do not.
   */
  string(escaping = true): Uint8Array {
    this.mark = this.at;
    this.takeByte(quote);
    const { bytes } = this;
    const start = this.at;
    let at = start;
    while (at < bytes.length && special[bytes[at] as number] === 0) at += 1;
    if (bytes[at] !== quote) return this.#escaped(start, at, escaping);
    this.at = at + 1;
    return bytes.subarray(start, at);
  }

  /** A string with special bytes from `first` on. Of all such strings together one copy is made. */
  #escaped(start: number, first: number, escaping: boolean): Uint8Array {
    const { bytes } = this;
    const end = bytes.length;
    const copy = (this.#copies ??= new Uint8Array(end - start));
    const copyStart = this.#copied;
    copy.set(bytes.subarray(start, first), copyStart);
    let to = copyStart + first - start;
    for (let from = first; from < end; from += 1) {
      let code = bytes[from] as number;
      if (special[code] === 1) {
        if (code === quote) {
          this.at = from + 1;
          this.#copied = to;
          return copy.subarray(copyStart, to);
        }
        if (code === backslash) {
          from += 1;
          if (from === end) break;
          code = this.#meaningOf(bytes[from] as number, from - 1, escaping);
        } else if (escaping) this.irregularity(from, "an unescaped line end or tab");
      }
      copy[to] = code;
      to += 1;
    }
    this.fail("the end of a string", end);
  }

  /** What a byte behind a backslash stands for: without a meaning, itself. */
  #meaningOf(code: number, offset: number, escaping: boolean): number {
    if (!escaping) this.irregularity(offset, "an escape where none is written");
    if (code === quote || code === backslash) return code;
    const meaning = meanings[code];
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
    if (!this.lenient)
      throw new SyntaxErrorAt("ERR_DRV_SYNTAX", offset, "the canonical form", what, {
        excerpt: excerptOf(this.bytes, offset),
      });
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
      excerpt: excerptOf(this.bytes, offset),
    });
  }
}
