import {
  baseNameOf,
  type DerivationOutline,
  type OutlinedInput,
  type OutlinedOutput,
  type OutputName,
  parseContentAddress,
  printContentAddress,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import { damaged, Writer } from "./coding.js";
import { pathOfUnchecked } from "./record.js";

const recordVersion = 1;
const headBytes = 2;

/** Neither: substitutes are not allowed. `unclear`: the attributes are of a wrong type. */
const flag = { allowSubstitutes: 1, unclear: 2 } as const;

/**
 * The value of `outlines`: version byte, flags, then as varints and length-prefixed texts the outputs (name, base name of
 * the path or nothing, content address or nothing) and the input derivations (base name, names of outputs). All of it is
 * ASCII.
 */
export function encodeOutline({ outputs, inputs, allowSubstitutes }: DerivationOutline): Uint8Array {
  const flags = allowSubstitutes === undefined ? flag.unclear : allowSubstitutes ? flag.allowSubstitutes : 0;
  const writer = new Writer();
  writer.bytes(Uint8Array.of(recordVersion, flags));
  writer.number(outputs.length);
  for (const { name, path, ca } of outputs) {
    writer.text(name);
    writer.text(path === undefined ? "" : baseNameOf(path));
    writer.text(ca === undefined ? "" : printContentAddress(ca));
  }
  writer.number(inputs.length);
  for (const { drvPath, outputs: names } of inputs) {
    writer.text(baseNameOf(drvPath));
    writer.texts([...names]);
  }
  return writer.finish();
}

/**
 * Decodes records, each as one character per byte: a dry run reads tens of thousands of them, so what many have in common
 * is there once. Names are not checked again.
 */
export class OutlineDecoder {
  readonly #paths = new Map<string, StorePath>();
  readonly #nameSets = new Map<string, ReadonlySet<OutputName>>();

  constructor(private readonly storeDir: StoreDir) {}

  /**
   * The outline that {@link encodeOutline} made the record of `drvPath` from.
   *
   * @throws `ERR_STORE_FORMAT` for a record of another version or one that ends early.
   */
  decodeUnchecked(drvPath: StorePath, record: string): DerivationOutline {
    const reader = new TextReader(drvPath, record);
    const outputs: OutlinedOutput[] = [];
    for (let count = reader.number(); count > 0; count -= 1)
      outputs.push(outputUnchecked(this.storeDir, reader.text() as OutputName, reader.text(), reader.text()));
    const inputs: OutlinedInput[] = [];
    for (let count = reader.number(); count > 0; count -= 1)
      inputs.push({ drvPath: this.#path(reader.text()), outputs: this.#names(reader) });
    const flags = record.charCodeAt(1);
    const allowSubstitutes = flags & flag.unclear ? undefined : (flags & flag.allowSubstitutes) !== 0;
    return { outputs, inputs, allowSubstitutes };
  }

  #path(baseName: string): StorePath {
    const known = this.#paths.get(baseName);
    if (known !== undefined) return known;
    const path = pathOfUnchecked(this.storeDir, baseName);
    this.#paths.set(baseName, path);
    return path;
  }

  #names(reader: TextReader): ReadonlySet<OutputName> {
    const start = reader.offset;
    const names: string[] = [];
    for (let left = reader.number(); left > 0; left -= 1) names.push(reader.text());
    const key = reader.since(start);
    const known = this.#nameSets.get(key) ?? new Set(names as OutputName[]);
    this.#nameSets.set(key, known);
    return known;
  }
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
    if (baseName !== "") paths.set(name, pathOfUnchecked(storeDir, baseName));
    reader.text();
  }
  return paths;
}

function outputUnchecked(
  storeDir: StoreDir,
  name: OutputName,
  ...[baseName, ca]: readonly [baseName: string, ca: string]
): OutlinedOutput {
  if (baseName === "") return { name };
  const path = pathOfUnchecked(storeDir, baseName);
  if (ca === "") return { name, path };
  return {
    name,
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

  get offset(): number {
    return this.#offset;
  }

  since(start: number): string {
    return this.record.slice(start, this.#offset);
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
