import { excerptOf } from "../bytes/excerpt.js";
import { textOf } from "../bytes/text.js";
import type { Derivation } from "../derivation/derivation.js";
import { Environment } from "../derivation/environment.js";
import { DrvError } from "../error.js";
import { defaultStoreDir, type StoreDir } from "../store-path/store-dir.js";
import { parseStorePath, type StorePath } from "../store-path/store-path.js";
import { Cursor } from "./cursor.js";
import { Order } from "./order.js";
import { parseInputs } from "./parse-inputs.js";
import { parseOutputs } from "./parse-outputs.js";

/** How a derivation file is read. */
export interface ParseOptions {
  /** Name of the derivation, from its path. */
  readonly name: string;
  readonly storeDir?: StoreDir;
  /** Take what Nix 2.8 takes although no printer writes it: for files of an existing store. */
  readonly lenient?: boolean;
  /** Take nested inputs, which Nix has behind the feature `dynamic-derivations`. */
  readonly dynamic?: boolean;
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
    options.dynamic ?? false,
  );
  try {
    const derivation = reader.derivation();
    return { derivation, canonical: reader.cursor.irregular === undefined };
  } catch (error) {
    throw located(error, reader.cursor);
  }
}

/** An error about what a field means, with its place. Errors of syntax have theirs; of the form as a whole none. */
function located(error: unknown, { bytes, mark }: Cursor): unknown {
  if (!(error instanceof DrvError) || error.offset !== undefined || error.code === "ERR_DRV_TYPE")
    return error;
  const { code, message, hint } = error;
  const place = `at offset ${mark}, in '${excerptOf(bytes, mark)}'`;
  return new DrvError(code, `${message}, ${place}`, { hint, offset: mark, cause: error.cause });
}

class Reader {
  constructor(
    readonly cursor: Cursor,
    readonly storeDir: StoreDir,
    readonly name: string,
    readonly dynamic: boolean,
  ) {}

  derivation(): Derivation {
    const { cursor } = this;
    const versioned = this.#isVersioned();
    const outputs = parseOutputs(cursor, this.storeDir, this.name);
    cursor.takeByte(0x2c);
    const inputs = parseInputs(cursor, this.storeDir, versioned);
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
    return { name: this.name, outputs, ...inputs, inputSrcs, platform, builder, args, env };
  }

  /** Past the head; whether it is that of the form with a version, which only derivations with nested inputs have. */
  #isVersioned(): boolean {
    const { cursor } = this;
    if (cursor.peek() !== 0x44 || cursor.bytes[1] !== 0x72) {
      cursor.take("Derive(");
      return false;
    }
    cursor.take("DrvWithVersion(");
    const version = textOf(cursor.string());
    if (version !== "xp-dyn-drv")
      throw new DrvError("ERR_DRV_TYPE", `Unknown derivation ATerm format version '${version}'`, {
        hint: "'xp-dyn-drv' is known",
      });
    if (!this.dynamic)
      throw new DrvError(
        "ERR_DRV_TYPE",
        "experimental Nix feature 'dynamic-derivations' is disabled; use '--extra-experimental-features dynamic-derivations' to override",
        { hint: "derivations with nested inputs are read with the option `dynamic`" },
      );
    cursor.takeByte(0x2c);
    return true;
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
    return order.ascends ? Environment.fromAscending(entries) : Environment.from(entries);
  }
}
