const [newline, carriageReturn] = [0x0a, 0x0d];
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Bytes of a terminal to lines: a carriage return starts the line over, what follows overwrites, and a line that was
 * shortened is cut; `\r\n` is one line end.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `handleChildOutput`
 */
export class Lines {
  #line: number[] = [];
  #position = 0;
  #returned = false;

  constructor(private readonly onLine: (line: string) => void) {}

  write(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === newline) this.#flush();
      else if (byte === carriageReturn) this.#returned = true;
      else {
        if (this.#returned) {
          this.#position = 0;
          this.#line.length = 0;
          this.#returned = false;
        }
        this.#line[this.#position] = byte;
        this.#position += 1;
      }
    }
  }

  /** A last line without its end. */
  end(): void {
    if (this.#line.length > 0) this.#flush();
  }

  #flush(): void {
    const line = decoder.decode(Uint8Array.from(this.#line));
    this.#line = [];
    this.#position = 0;
    this.#returned = false;
    this.onLine(line);
  }
}
