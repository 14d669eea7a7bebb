import { bytesOf, compareText, concatBytes, type StorePath } from "@drvkit/drv-parser";

/** What an export stream says of an object besides its archive. */
export interface ExportedObject {
  readonly path: StorePath;
  readonly references: ReadonlySet<StorePath>;
  readonly deriver?: StorePath;
}

/** What an export stream is printed from: objects with their archives, references before referrers. */
export type ExportSource<Nar> = ExportedObject & { readonly nar: Nar };

/** @internal Between an archive and what is said of its object. */
export const exportMagic = 0x4558494e;

/**
 * The stream that `nix-store --export` writes, in pieces. The bytes of the archives are passed on as they come.
 *
 * @see Nix: src/libstore/export-import.cc, `Store::exportPath`
 */
export function* printExport(
  objects: Iterable<ExportSource<Iterable<Uint8Array>>>,
): Generator<Uint8Array, void, undefined> {
  for (const object of objects) {
    yield number(1);
    yield* object.nar;
    yield printRecord(object);
  }
  yield number(0);
}

/** As {@link printExport}, of archives that stream. */
export async function* printExportStream(
  objects:
    | AsyncIterable<ExportSource<AsyncIterable<Uint8Array> | Iterable<Uint8Array>>>
    | Iterable<ExportSource<AsyncIterable<Uint8Array> | Iterable<Uint8Array>>>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const object of objects) {
    yield number(1);
    yield* object.nar;
    yield printRecord(object);
  }
  yield number(0);
}

function printRecord({ path, references, deriver }: ExportedObject): Uint8Array {
  const sorted = [...references].sort(compareText);
  return concatBytes([
    number(exportMagic),
    string(path),
    number(sorted.length),
    ...sorted.map(string),
    string(deriver ?? ""),
    number(0), // No signature of the old kind.
  ]);
}

/** Eight bytes, the lowest first. */
function number(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

/** Length, bytes, zero bytes up to a multiple of 8. */
function string(text: string): Uint8Array {
  const bytes = bytesOf(text);
  return concatBytes([number(bytes.length), bytes, new Uint8Array((8 - (bytes.length % 8)) % 8)]);
}
