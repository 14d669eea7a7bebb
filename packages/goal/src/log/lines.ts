const [newline, carriageReturn] = [0x0a, 0x0d];
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A line that is longer is cut into several: a builder that never ends its line must not fill our memory. */
const maxLineBytes = 1024 * 1024;

/**
 * Bytes of a terminal to lines: a carriage return starts the line over, what follows overwrites, and a line that was
 * shortened is cut; `\r\n` is one line end.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `handleChildOutput`
 */
export class Lines {
  #line = new Uint8Array(256);
  #length = 0;
  #returned = false;

  constructor(private readonly onLine: (line: string) => void) {}

  write(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === newline) this.#flush();
      else if (byte === carriageReturn) this.#returned = true;
      else this.#add(byte);
    }
  }

  /** A last line without its end. */
  end(): void {
    if (this.#length > 0) this.#flush();
  }

  #add(byte: number): void {
    if (this.#returned) this.#length = 0;
    this.#returned = false;
    if (this.#length === maxLineBytes) this.#flush();
    if (this.#length === this.#line.length) {
      const longer = new Uint8Array(this.#length * 2);
      longer.set(this.#line);
      this.#line = longer;
    }
    this.#line[this.#length] = byte;
    this.#length += 1;
  }

  #flush(): void {
    const line = decoder.decode(this.#line.subarray(0, this.#length));
    this.#length = 0;
    this.#returned = false;
    this.onLine(line);
  }
}
