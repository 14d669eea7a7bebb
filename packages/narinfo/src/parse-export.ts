import {
  concatBytes,
  defaultStoreDir,
  EngineError,
  parseStorePath,
  type StoreDir,
  type StorePath,
  textOf,
} from "@drvkit/drv-parser";
import { NarInfoError } from "./error.js";
import { type ExportedObject, exportMagic } from "./export.js";

/** What finds the end of an archive in a stream: `NarParser` of `@drvkit/nar` is one. */
export interface NarFraming {
  push(bytes: Uint8Array): void;
  /** Whatever it read; `undefined` when it needs more bytes or has ended. */
  next(): unknown;
  readonly ended: boolean;
  /** Once it has ended, the bytes that were pushed and lie behind the archive. */
  readonly rest: Uint8Array;
}

/** What an export stream is read as: for each object the bytes of its archive, then what is said of it. */
export type ExportEvent =
  | { readonly type: "nar"; readonly bytes: Uint8Array }
  | ({ readonly type: "object" } & ExportedObject);

/** How an export stream is read. */
export interface ParseExportOptions {
  /** One for each archive: `() => new NarParser()`. */
  readonly makeNar: () => NarFraming;
  readonly storeDir?: StoreDir;
}

/**
 * Events of an export stream that is in memory, whole or in pieces.
 *
 * @throws {@link NarInfoError} `ERR_EXPORT_SYNTAX` with offset, expected and found; whatever the archives' reader throws.
 * @see Nix: src/libstore/export-import.cc, `Store::importPaths`
 */
export function* parseExport(
  source: Uint8Array | Iterable<Uint8Array>,
  options: ParseExportOptions,
): Generator<ExportEvent, void, undefined> {
  const parser = new ExportParser(options);
  for (const chunk of ArrayBuffer.isView(source) ? [source] : source) {
    parser.push(chunk);
    yield* parser.events();
  }
  parser.finish();
}

/** As {@link parseExport}, of a stream: read piece by piece, as events are taken. */
export async function* parseExportStream(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ParseExportOptions,
): AsyncGenerator<ExportEvent, void, undefined> {
  const parser = new ExportParser(options);
  for await (const chunk of source) {
    parser.push(chunk);
    yield* parser.events();
  }
  parser.finish();
}

/** What a step throws when it needs more input than there is: it is taken again from its start later. */
const starved = Symbol("starved");
const longestPath = 4096;
const longestSignature = 65_536;

class ExportParser {
  readonly #storeDir: StoreDir;
  readonly #makeNar: () => NarFraming;
  #input = new Uint8Array() as Uint8Array;
  #at = 0;
  #base = 0;
  #state: "object" | "nar" | "record" | "references" | "recordEnd" | "ended" = "object";
  #isFirst = true;
  #nar: NarFraming | undefined;
  /** The object whose record is being read, and how many of its references are to come. */
  #path: StorePath | undefined;
  #references = new Set<StorePath>();
  #referencesLeft = 0;

  constructor({ makeNar, storeDir = defaultStoreDir }: ParseExportOptions) {
    this.#makeNar = makeNar;
    this.#storeDir = storeDir;
  }

  push(bytes: Uint8Array): void {
    const rest = this.#input.subarray(this.#at);
    this.#base += this.#at;
    this.#at = 0;
    this.#input = rest.length === 0 ? bytes : concatBytes([rest, bytes]);
  }

  *events(): Generator<ExportEvent, void, undefined> {
    for (;;) {
      const start = this.#at;
      try {
        const event = this.#step();
        if (event !== undefined) yield event;
      } catch (error) {
        if (error !== starved) throw error;
        this.#at = start;
        return;
      }
    }
  }

  finish(): void {
    if (this.#state !== "ended") this.#refuse("unexpected end-of-file", `the ${this.#state}`, "the end");
  }

  #step(): ExportEvent | undefined {
    switch (this.#state) {
      case "object":
        return this.#begin();
      case "nar":
        return this.#archive();
      case "record":
        return this.#record();
      case "references":
        return this.#reference();
      case "recordEnd":
        return this.#recordEnd();
      case "ended":
        if (this.#at < this.#input.length)
          this.#refuse("bytes after the export stream", "the end", `byte ${this.#input[this.#at]}`);
        throw starved;
    }
  }

  #begin(): undefined {
    const start = this.#at;
    const more = this.#number();
    if (more !== 0 && more !== 1) {
      this.#at = start;
      this.#refuse(
        "input doesn't look like something created by 'nix-store --export'",
        this.#isFirst ? "0 or 1" : "0 or 1 behind an object",
        String(more),
      );
    }
    this.#isFirst = false;
    this.#nar = more === 1 ? this.#makeNar() : undefined;
    this.#state = more === 1 ? "nar" : "ended";
  }

  /** All that has come of the archive; the reader of archives finds out where it ends. */
  #archive(): ExportEvent | undefined {
    const nar = this.#nar as NarFraming;
    if (this.#at === this.#input.length) throw starved;
    const given = this.#input.subarray(this.#at);
    nar.push(given);
    while (nar.next() !== undefined);
    const bytes = nar.ended ? given.subarray(0, given.length - nar.rest.length) : given;
    this.#at += bytes.length;
    if (nar.ended) this.#state = "record";
    return { type: "nar", bytes };
  }

  #record(): undefined {
    const start = this.#at;
    const magic = this.#number();
    if (magic !== exportMagic) {
      this.#at = start;
      this.#refuse("Nix archive cannot be imported; wrong format", "the mark 'NIXE'", String(magic));
    }
    const path = this.#storePath(this.#string());
    this.#referencesLeft = this.#number();
    this.#path = path;
    this.#references = new Set();
    this.#state = "references";
  }

  /** Each is a step of its own: what was read is not read again when the next one has not come. */
  #reference(): undefined {
    if (this.#referencesLeft > 0) {
      this.#references.add(this.#storePath(this.#string()));
      this.#referencesLeft -= 1;
    } else this.#state = "recordEnd";
  }

  #recordEnd(): ExportEvent {
    const deriver = this.#string();
    const hasSignature = this.#number() === 1;
    if (hasSignature) this.#string(longestSignature); // Of a kind that nobody checks any more.
    this.#state = "object";
    return {
      type: "object",
      path: this.#path as StorePath,
      references: this.#references,
      ...(deriver === "" ? {} : { deriver: this.#storePath(deriver) }),
    };
  }

  #storePath(text: string): StorePath {
    try {
      return parseStorePath(this.#storeDir, text);
    } catch (cause) {
      if (!(cause instanceof EngineError)) throw cause;
      return this.#refuse("bad export stream", "a store path", `'${text.slice(0, 80)}'`, cause);
    }
  }

  #string(most = longestPath): string {
    const length = this.#number();
    if (length > most) this.#refuse("bad export stream", `at most ${most} bytes`, `${length}`);
    const padded = length + ((8 - (length % 8)) % 8);
    this.#need(padded);
    const bytes = this.#input.subarray(this.#at, this.#at + length);
    if (this.#input.subarray(this.#at + length, this.#at + padded).some((byte) => byte !== 0))
      this.#refuse("non-zero padding", "zero bytes", "others");
    try {
      const text = textOf(bytes);
      this.#at += padded;
      return text;
    } catch (cause) {
      return this.#refuse("bad export stream", "a store path", "bytes that are no text", cause);
    }
  }

  /** Exact below 2^53; nothing larger is accepted anywhere. */
  #number(): number {
    this.#need(8);
    let value = 0;
    for (let index = 7; index >= 0; index -= 1)
      value = value * 256 + (this.#input[this.#at + index] as number);
    this.#at += 8;
    return value;
  }

  #need(length: number): void {
    if (this.#input.length - this.#at < length) throw starved;
  }

  #refuse(message: string, expected: string, found: string, cause?: unknown): never {
    throw new NarInfoError("ERR_EXPORT_SYNTAX", message, {
      place: { offset: this.#base + this.#at, expected, found },
      cause,
    });
  }
}
