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
import { damaged, Reader, Writer } from "./coding.js";

const recordVersion = 1;
const narHashBytes = 32;
const headBytes = 2 + narHashBytes;

const flag = { ultimate: 1, deriver: 2, ca: 4, self: 8, hostTools: 16, machine: 32 } as const;

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
    (info.references.has(info.path) ? flag.self : 0) |
    (info.builderSaw === undefined ? 0 : flag[info.builderSaw]);
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
    ...builderSaw(flags),
  };
}

function builderSaw(flags: number): Pick<PathInfo, "builderSaw"> {
  if (flags & flag.machine) return { builderSaw: "machine" };
  return flags & flag.hostTools ? { builderSaw: "hostTools" } : {};
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

export function pathOfUnchecked(storeDir: StoreDir, baseName: string): StorePath {
  return `${storeDir}/${baseName}` as StorePath;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
