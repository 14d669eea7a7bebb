import {
  baseNameOf,
  compareText,
  type OutputName,
  parseContentAddress,
  printContentAddress,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { StoreError } from "./error.js";

const recordVersion = 1;
const narHashBytes = 32;
const headBytes = 2 + narHashBytes;

const flag = { ultimate: 1, deriver: 2, ca: 4, self: 8 } as const;

/**
 * The value of `paths` for `info`: version byte, flags, NAR hash, then as varints and length-prefixed texts NAR size,
 * registration time, deriver, content address, signatures, references without itself. The path is the key.
 */
export function encodeRecord(info: PathInfo): Uint8Array {
  const others = [...info.references].filter((path) => path !== info.path).sort(compareText);
  const flags =
    (info.ultimate ? flag.ultimate : 0) |
    (info.deriver === undefined ? 0 : flag.deriver) |
    (info.ca === undefined ? 0 : flag.ca) |
    (info.references.has(info.path) ? flag.self : 0);
  const writer = new Writer();
  writer.bytes(Uint8Array.of(recordVersion, flags));
  writer.bytes(info.narHash.digest);
  writer.number(info.narSizeBytes);
  writer.number(info.registrationTimeSeconds);
  if (info.deriver !== undefined) writer.text(baseNameOf(info.deriver));
  if (info.ca !== undefined) writer.text(printContentAddress(info.ca));
  writer.texts([...new Set(info.signatures)].sort(compareText));
  writer.texts(others.map(baseNameOf));
  return writer.finish();
}

/**
 * The info that {@link encodeRecord} made `record` from. Names are not checked again: they were when they were stored.
 *
 * @throws `ERR_STORE_FORMAT` for a record of another version or one that ends early.
 */
export function decodeRecordUnchecked(storeDir: StoreDir, path: StorePath, record: Uint8Array): PathInfo {
  const { flags, reader } = openRecord(path, record);
  const narHash = { algorithm: "sha256", digest: Uint8Array.from(record.subarray(2, headBytes)) } as const;
  const narSizeBytes = reader.number();
  const registrationTimeSeconds = reader.number();
  const deriver = flags & flag.deriver ? pathOfUnchecked(storeDir, reader.text()) : undefined;
  const ca = flags & flag.ca ? parseContentAddress(reader.text()) : undefined;
  const signatures = reader.texts();
  const references = readReferences(storeDir, path, flags, reader);
  return {
    path,
    narHash,
    narSizeBytes,
    references: new Set(references),
    ...(deriver !== undefined && { deriver }),
    registrationTimeSeconds,
    ultimate: (flags & flag.ultimate) !== 0,
    signatures,
    ...(ca !== undefined && { ca }),
  };
}

/** Only the references of a record, itself included if it refers to itself, in byte order. */
export function decodeReferencesUnchecked(
  storeDir: StoreDir,
  path: StorePath,
  record: Uint8Array,
): readonly StorePath[] {
  const { flags, reader } = openRecord(path, record);
  reader.number();
  reader.number();
  if (flags & flag.deriver) reader.skip();
  if (flags & flag.ca) reader.skip();
  for (let count = reader.number(); count > 0; count--) reader.skip();
  return readReferences(storeDir, path, flags, reader);
}

/** Only the deriver of a record. */
export function decodeDeriverUnchecked(
  storeDir: StoreDir,
  path: StorePath,
  record: Uint8Array,
): StorePath | undefined {
  const { flags, reader } = openRecord(path, record);
  reader.number();
  reader.number();
  return flags & flag.deriver ? pathOfUnchecked(storeDir, reader.text()) : undefined;
}

/** The path whose base name stands in a key or a value. */
export function decodePathUnchecked(storeDir: StoreDir, baseName: Uint8Array): StorePath {
  return pathOfUnchecked(storeDir, latin1(baseName));
}

/** The output name that stands in a key of `drvOutputs` after `prefixBytes` bytes. */
export function decodeOutputNameUnchecked(key: Uint8Array, prefixBytes: number): OutputName {
  return latin1(key.subarray(prefixBytes)) as OutputName;
}

function openRecord(path: StorePath, record: Uint8Array): { flags: number; reader: Reader } {
  if (record[0] !== recordVersion) {
    throw damaged(path, `version byte ${record[0] ?? "missing"}, expected ${recordVersion}`);
  }
  return { flags: record[1] ?? 0, reader: new Reader(path, record, headBytes) };
}

function readReferences(storeDir: StoreDir, path: StorePath, flags: number, reader: Reader): StorePath[] {
  const references = reader.texts().map((name) => pathOfUnchecked(storeDir, name));
  if (flags & flag.self) references.push(path);
  return references.sort(compareText);
}

function pathOfUnchecked(storeDir: StoreDir, baseName: string): StorePath {
  return `${storeDir}/${baseName}` as StorePath;
}

function damaged(path: StorePath, what: string): StoreError {
  return new StoreError("ERR_STORE_FORMAT", `record of '${path}' is damaged: ${what}`, {
    hint: "the store was written by another version or its database file is damaged; restore it or start a new store",
    path,
  });
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** Numbers are unsigned LEB128 up to 2^53 - 1; texts are UTF-8 after their length in bytes. */
class Writer {
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

class Reader {
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
