import type { StorePath } from "@drvkit/drv-parser";
import { StoreError } from "./error.js";

/** Numbers are unsigned LEB128 up to 2^53 - 1; texts are UTF-8 after their length in bytes. */
export class Writer {
  readonly #parts: Uint8Array[] = [];

  bytes(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  number(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`bug: '${value}' is no size and no time`);
    const bytes: number[] = [];
    let rest = value;
    while (rest >= 0x80) {
      bytes.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    bytes.push(rest);
    this.bytes(Uint8Array.from(bytes));
  }

  text(text: string): void {
    const bytes = Buffer.from(text, "utf8");
    this.number(bytes.byteLength);
    this.bytes(bytes);
  }

  texts(texts: readonly string[]): void {
    this.number(texts.length);
    for (const text of texts) this.text(text);
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

/** Reads what {@link Writer} wrote. @throws `ERR_STORE_FORMAT` where it ends early. */
export class Reader {
  readonly #path: StorePath;
  readonly #bytes: Uint8Array;
  #offset: number;

  constructor(path: StorePath, bytes: Uint8Array, offset: number) {
    this.#path = path;
    this.#bytes = bytes;
    this.#offset = offset;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) throw damaged(this.#path, "it ends early");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  skip(): Uint8Array {
    const length = this.number();
    const bytes = this.#bytes.subarray(this.#offset, this.#offset + length);
    if (bytes.byteLength !== length) throw damaged(this.#path, "it ends early");
    this.#offset += length;
    return bytes;
  }

  text(): string {
    const bytes = this.skip();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  }

  texts(): string[] {
    return Array.from({ length: this.number() }, () => this.text());
  }
}

/** @returns `ERR_STORE_FORMAT` */
export function damaged(path: StorePath, what: string): StoreError {
  return new StoreError("ERR_STORE_FORMAT", `record of '${path}' is damaged: ${what}`, {
    hint: "the store was written by another version or its database file is damaged; restore it or start a new store",
    path,
  });
}
