const [newline, carriageReturn] = [0x0a, 0x0d];
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A line that is longer is cut into several: a builder that never ends its line must not fill our memory. */
const maxLineBytes = 1024 * 1024;

/** Lines are decoded together up to this size, as calling the decoder for each takes longer than decoding it. */
const maxBlockBytes = 16 * 1024;

/**
 * Bytes of a terminal to lines: a carriage return starts the line over, what follows overwrites, and a line that was
 * shortened is cut; `\r\n` is one line end.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `handleChildOutput`
 */
export class Lines {
  /** A line whose end has not come yet. */
  #line = new Uint8Array(256);
  #length = 0;
  #returned = false;

  constructor(private readonly onLine: (line: string) => void) {}

  write(bytes: Uint8Array): void {
    let start = 0;
    while (start < bytes.length) {
      const isWithin = this.#length === 0 && !this.#returned;
      const block = isWithin ? endOfBlock(bytes, start) : start;
      if (block > start) this.#decodeBlock(bytes.subarray(start, block));
      start = block > start ? block : this.#writeLine(bytes, start);
    }
  }

  /** A last line without its end. */
  end(): void {
    if (this.#length > 0) this.#flush();
  }

  /** Whole lines. Neither of the two bytes that mean something here is ever part of another character. */
  #decodeBlock(block: Uint8Array): void {
    const text = decoder.decode(block);
    const mayReturn = block.includes(carriageReturn);
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      const line = text.substring(start, end);
      this.onLine(mayReturn ? lastWritten(line) : line);
      start = end + 1;
    }
  }

  /** One line or a part of one; where the next one begins. */
  #writeLine(bytes: Uint8Array, start: number): number {
    const end = bytes.indexOf(newline, start);
    const last = end < 0 ? bytes.length : end;
    for (let from = start; from < last; ) {
      const found = bytes.indexOf(carriageReturn, from);
      const to = found < 0 || found > last ? last : found;
      if (to > from) this.#add(bytes.subarray(from, to));
      if (to < last) this.#returned = true;
      from = to + 1;
    }
    if (end < 0) return bytes.length;
    this.#flush();
    return end + 1;
  }

  /** At least one byte, none of them a line end or a carriage return. */
  #add(bytes: Uint8Array): void {
    if (this.#returned) this.#length = 0;
    this.#returned = false;
    for (let from = 0; from < bytes.length; ) {
      if (this.#length === maxLineBytes) this.#flush();
      const part = bytes.subarray(from, from + maxLineBytes - this.#length);
      this.#makeRoom(part.length);
      this.#line.set(part, this.#length);
      this.#length += part.length;
      from += part.length;
    }
  }

  #makeRoom(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#line.length) return;
    const longer = new Uint8Array(Math.min(maxLineBytes, Math.max(wanted, this.#line.length * 2)));
    longer.set(this.#line.subarray(0, this.#length));
    this.#line = longer;
  }

  #flush(): void {
    const line = decoder.decode(this.#line.subarray(0, this.#length));
    this.#length = 0;
    this.#returned = false;
    this.onLine(line);
  }
}

/** Behind the last line that ends within one block; `start` if there is none. */
function endOfBlock(bytes: Uint8Array, start: number): number {
  return bytes.subarray(start, start + maxBlockBytes).lastIndexOf(newline) + 1 + start;
}

/** What is left of a line that was started over. */
function lastWritten(line: string): string {
  let end = line.length;
  while (end > 0 && line.charCodeAt(end - 1) === carriageReturn) end -= 1;
  return line.substring(end === 0 ? 0 : line.lastIndexOf("\r", end - 1) + 1, end);
}
