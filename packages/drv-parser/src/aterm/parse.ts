import { compareBytes, textOf } from "../bytes/text.js";
import type { Derivation, DerivationOutput } from "../derivation/derivation.js";
import { Environment } from "../derivation/environment.js";
import { DrvError } from "../error.js";
import { parseHashAlgorithm } from "../hash/hash.js";
import { parseHash } from "../hash/parse.js";
import { encodeBase16 } from "../hash/print.js";
import type { ContentAddressMethod } from "../store-path/content-address.js";
import { computeContentAddressedPath } from "../store-path/fingerprint.js";
import { makeOutputName, type OutputName, outputPathName } from "../store-path/name.js";
import { defaultStoreDir, type StoreDir } from "../store-path/store-dir.js";
import { isDerivationPath, parseStorePath, type StorePath } from "../store-path/store-path.js";
import { Cursor } from "./cursor.js";

/** How a derivation file is read. */
export interface ParseOptions {
  /** Name of the derivation, from its path. */
  readonly name: string;
  readonly storeDir?: StoreDir;
  /** Take what Nix 2.8 takes although no printer writes it: for files of an existing store. */
  readonly lenient?: boolean;
}

/**
 * The derivation in a `.drv` file. Values are views of `bytes` where they can be: whoever changes those changes them.
 *
 * @throws {@link DrvError} `ERR_DRV_SYNTAX` with `offset`, `expected`, `found`; `ERR_DRV_OUTPUT`, `ERR_STORE_PATH`,
 *   `ERR_OUTPUT_NAME`, `ERR_HASH`, `ERR_NOT_UTF8` for fields that mean nothing.
 * @see Nix: src/libstore/derivations.cc, `parseDerivation`
 */
export function parseDerivation(bytes: Uint8Array, options: ParseOptions): Derivation {
  const { derivation } = readDerivation(bytes, options);
  return derivation;
}

/**
 * Whether printing the derivation in `bytes` gives the same bytes.
 *
 * @throws as {@link parseDerivation} with `lenient`.
 */
export function isCanonicalDerivation(bytes: Uint8Array, options: Omit<ParseOptions, "lenient">): boolean {
  return readDerivation(bytes, { ...options, lenient: true }).canonical;
}

function readDerivation(
  bytes: Uint8Array,
  options: ParseOptions,
): { readonly derivation: Derivation; readonly canonical: boolean } {
  const reader = new Reader(
    new Cursor(bytes, options.lenient ?? false),
    options.storeDir ?? defaultStoreDir,
    options.name,
  );
  const derivation = reader.derivation();
  return { derivation, canonical: reader.cursor.irregular === undefined };
}

class Reader {
  constructor(
    readonly cursor: Cursor,
    readonly storeDir: StoreDir,
    readonly name: string,
  ) {}

  derivation(): Derivation {
    const { cursor } = this;
    if (cursor.peek() === 0x44 && cursor.bytes[1] === 0x72) this.#refuseVersioned();
    cursor.take("Derive(");
    const outputs = this.#outputs();
    cursor.takeByte(0x2c);
    const inputDrvs = this.#inputDrvs();
    cursor.takeByte(0x2c);
    const inputSrcs = this.#inputSrcs();
    cursor.takeByte(0x2c);
    const platform = textOf(cursor.string(false));
    cursor.takeByte(0x2c);
    const builder = cursor.string();
    cursor.takeByte(0x2c);
    const args: Uint8Array[] = [];
    cursor.list(() => args.push(cursor.string()));
    cursor.takeByte(0x2c);
    const env = this.#env();
    cursor.takeByte(0x29);
    if (cursor.at < cursor.bytes.length) {
      if (!cursor.lenient) cursor.fail("the end");
      cursor.irregularity(cursor.at, "bytes after the derivation");
    }
    return { name: this.name, outputs, inputDrvs, inputSrcs, platform, builder, args, env };
  }

  /** The form with a version is written only by derivations with nested inputs. */
  #refuseVersioned(): void {
    const { cursor } = this;
    cursor.take("DrvWithVersion(");
    const version = textOf(cursor.string());
    const message =
      version === "xp-dyn-drv"
        ? "experimental Nix feature 'dynamic-derivations' is disabled; use '--extra-experimental-features dynamic-derivations' to override"
        : `Unknown derivation ATerm format version '${version}'`;
    throw new DrvError("ERR_DRV_TYPE", message, {
      hint: "this version reads derivations without nested inputs",
    });
  }

  #outputs(): ReadonlyMap<OutputName, DerivationOutput> {
    const outputs = new Map<OutputName, DerivationOutput>();
    const order = new Order(this.cursor);
    this.cursor.list(() => {
      const { cursor } = this;
      const start = cursor.at;
      cursor.takeByte(0x28);
      const nameBytes = cursor.string();
      order.next(nameBytes, start);
      const name = makeOutputName(textOf(nameBytes));
      cursor.takeByte(0x2c);
      const path = textOf(cursor.string());
      cursor.takeByte(0x2c);
      const algorithm = textOf(cursor.string());
      cursor.takeByte(0x2c);
      const hash = textOf(cursor.string());
      cursor.takeByte(0x29);
      if (!outputs.has(name)) outputs.set(name, this.#output({ name, path, algorithm, hash, start }));
    });
    return outputs;
  }

  #output(fields: OutputFields): DerivationOutput {
    const { name, path, algorithm, hash } = fields;
    if (algorithm === "" && hash !== "") throw contradiction(fields, "a hash without an algorithm");
    if (algorithm === "")
      return path === "" ? { kind: "deferred" } : { kind: "inputAddressed", path: this.#outputPath(path) };
    const method = methodOf(algorithm);
    const known = parseHashAlgorithm(algorithm.replace(/^(?:r|text):/u, ""));
    if (hash === "" || hash === "impure") {
      if (path !== "") throw contradiction(fields, "a path that is not known before the build");
      return { kind: hash === "" ? "floating" : "impure", method, algorithm: known };
    }
    const ca = { method, hash: parseHash(hash, known) };
    if (encodeBase16(ca.hash.digest) !== hash)
      this.cursor.irregularity(fields.start, "a hash that is not in lower-case base 16");
    const computed = computeContentAddressedPath(this.storeDir, outputPathName(this.name, name), ca);
    if (this.#outputPath(path) !== computed)
      this.cursor.irregularity(fields.start, "a path that does not match its content address");
    return { kind: "fixed", ca, path: computed };
  }

  #outputPath(text: string): StorePath {
    if (!text.startsWith("/")) throw new DrvError("ERR_DRV_OUTPUT", `bad path '${text}' in derivation`);
    return parseStorePath(this.storeDir, text);
  }

  #inputDrvs(): ReadonlyMap<StorePath, ReadonlySet<OutputName>> {
    const inputs = new Map<StorePath, ReadonlySet<OutputName>>();
    const order = new Order(this.cursor);
    this.cursor.list(() => {
      const { cursor } = this;
      const start = cursor.at;
      cursor.takeByte(0x28);
      const pathBytes = cursor.string();
      order.next(pathBytes, start);
      const path = parseStorePath(this.storeDir, textOf(pathBytes));
      if (!isDerivationPath(path))
        throw new DrvError("ERR_DRV_INPUT", `input '${path}' is not a derivation`, {
          hint: "its name must end in '.drv'",
        });
      cursor.takeByte(0x2c);
      const names = new Set<OutputName>();
      const nameOrder = new Order(cursor);
      cursor.list(() => {
        const at = cursor.at;
        const name = cursor.string();
        nameOrder.next(name, at);
        names.add(makeOutputName(textOf(name)));
      });
      cursor.takeByte(0x29);
      inputs.set(path, names);
    });
    return inputs;
  }

  #inputSrcs(): ReadonlySet<StorePath> {
    const sources = new Set<StorePath>();
    const order = new Order(this.cursor);
    this.cursor.list(() => {
      const at = this.cursor.at;
      const bytes = this.cursor.string();
      order.next(bytes, at);
      sources.add(parseStorePath(this.storeDir, textOf(bytes)));
    });
    return sources;
  }

  #env(): Environment {
    const entries: (readonly [Uint8Array, Uint8Array])[] = [];
    const order = new Order(this.cursor);
    this.cursor.list(() => {
      const { cursor } = this;
      const start = cursor.at;
      cursor.takeByte(0x28);
      const name = cursor.string();
      order.next(name, start);
      cursor.takeByte(0x2c);
      entries.push([name, cursor.string()]);
      cursor.takeByte(0x29);
    });
    return Environment.from(entries);
  }
}

interface OutputFields {
  readonly name: OutputName;
  readonly path: string;
  readonly algorithm: string;
  readonly hash: string;
  readonly start: number;
}

function methodOf(algorithm: string): ContentAddressMethod {
  if (algorithm.startsWith("r:")) return "nar";
  return algorithm.startsWith("text:") ? "text" : "flat";
}

function contradiction({ name }: OutputFields, what: string): DrvError {
  return new DrvError("ERR_DRV_OUTPUT", `derivation output '${name}' has ${what}`);
}

/** Watches that keys ascend. */
class Order {
  #previous: Uint8Array | undefined;

  constructor(private readonly cursor: Cursor) {}

  next(key: Uint8Array, offset: number): void {
    if (this.#previous !== undefined) {
      const difference = compareBytes(this.#previous, key);
      if (difference === 0) this.cursor.irregularity(offset, "a repeated entry");
      else if (difference > 0) this.cursor.irregularity(offset, "an unsorted entry");
    }
    this.#previous = key;
  }
}
