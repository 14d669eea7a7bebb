import {
  baseNameOf,
  type DerivationOutline,
  type OutlinedOutput,
  type OutputName,
  parseContentAddress,
  printContentAddress,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import { damaged, Writer } from "./coding.js";

const recordVersion = 1;
const headBytes = 2;

/** Neither: substitutes are not allowed. `unclear`: the attributes are of a wrong type. */
const flag = { allowSubstitutes: 1, unclear: 2 } as const;

/**
 * The value of `outlines`: version byte, flags, then as varints and length-prefixed texts the outputs (name, base name of
 * the path or nothing, content address or nothing) and the input derivations (base name, names of outputs). All of it is
 * ASCII.
 */
export function encodeOutline({ outputs, inputDrvs, allowSubstitutes }: DerivationOutline): Uint8Array {
  const flags = allowSubstitutes === undefined ? flag.unclear : allowSubstitutes ? flag.allowSubstitutes : 0;
  const writer = new Writer();
  writer.bytes(Uint8Array.of(recordVersion, flags));
  writer.number(outputs.size);
  for (const [name, { path, ca }] of outputs) {
    writer.text(name);
    writer.text(path === undefined ? "" : baseNameOf(path));
    writer.text(ca === undefined ? "" : printContentAddress(ca));
  }
  writer.number(inputDrvs.size);
  for (const [path, names] of inputDrvs) {
    writer.text(baseNameOf(path));
    writer.texts([...names]);
  }
  return writer.finish();
}

/**
 * The outline that {@link encodeOutline} made the record of `drvPath` from, the record as one character per byte: a dry
 * run reads tens of thousands of them. Names are not checked again.
 *
 * @throws `ERR_STORE_FORMAT` for a record of another version or one that ends early.
 */
export function decodeOutlineUnchecked(
  storeDir: StoreDir,
  drvPath: StorePath,
  record: string,
): DerivationOutline {
  const reader = new TextReader(drvPath, record);
  const outputs = new Map<OutputName, OutlinedOutput>();
  for (let count = reader.number(); count > 0; count -= 1) {
    const name = reader.text() as OutputName;
    outputs.set(name, outputUnchecked(storeDir, reader.text(), reader.text()));
  }
  const inputDrvs = new Map<StorePath, ReadonlySet<OutputName>>();
  for (let count = reader.number(); count > 0; count -= 1) {
    const path = `${storeDir}/${reader.text()}` as StorePath;
    const names = new Set<OutputName>();
    for (let left = reader.number(); left > 0; left -= 1) names.add(reader.text() as OutputName);
    inputDrvs.set(path, names);
  }
  const flags = record.charCodeAt(1);
  const allowSubstitutes = flags & flag.unclear ? undefined : (flags & flag.allowSubstitutes) !== 0;
  return { outputs, inputDrvs, allowSubstitutes };
}

/** Only the outputs whose paths the derivation states. */
export function decodeOutputPathsUnchecked(
  storeDir: StoreDir,
  drvPath: StorePath,
  record: string,
): ReadonlyMap<OutputName, StorePath> {
  const reader = new TextReader(drvPath, record);
  const paths = new Map<OutputName, StorePath>();
  for (let count = reader.number(); count > 0; count -= 1) {
    const name = reader.text() as OutputName;
    const baseName = reader.text();
    if (baseName !== "") paths.set(name, `${storeDir}/${baseName}` as StorePath);
    reader.text();
  }
  return paths;
}

function outputUnchecked(storeDir: StoreDir, baseName: string, ca: string): OutlinedOutput {
  if (baseName === "") return {};
  const path = `${storeDir}/${baseName}` as StorePath;
  if (ca === "") return { path };
  return {
    path,
    // Wanted only where substituters are asked.
    get ca() {
      return parseContentAddress(ca);
    },
  };
}

/** Numbers and texts of a record that is ASCII. */
class TextReader {
  #offset = headBytes;

  constructor(
    private readonly path: StorePath,
    private readonly record: string,
  ) {
    const version = record.charCodeAt(0);
    if (version !== recordVersion)
      throw damaged(
        path,
        `version byte ${Number.isNaN(version) ? "missing" : version}, expected ${recordVersion}`,
      );
  }

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.record.charCodeAt(this.#offset++);
      if (Number.isNaN(byte)) throw damaged(this.path, "it ends early");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  text(): string {
    const length = this.number();
    const start = this.#offset;
    this.#offset += length;
    if (this.#offset > this.record.length) throw damaged(this.path, "it ends early");
    return this.record.slice(start, this.#offset);
  }
}
