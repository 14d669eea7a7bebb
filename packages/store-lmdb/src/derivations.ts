import { readFileSync } from "node:fs";
import {
  computeHashModulo,
  type Derivation,
  derivationNameOf,
  type Hash,
  HashModuloCache,
  type OutputName,
  parseDerivation,
  type StoreDir,
  type StorePath,
  validateDerivation,
} from "@drvkit/drv-parser";

/** A parsed derivation is about 11 kB. */
const cachedDerivations = 512;

/**
 * Derivations read from their files, the most recently used ones kept. A `.drv` path follows from its content, so what
 * is kept is never out of date; whether the path is valid is asked elsewhere, each time.
 */
export class DerivationReader {
  readonly #storeDir: StoreDir;
  readonly #realPathOf: (path: StorePath) => string;
  readonly #kept = new Map<StorePath, Derivation>();
  readonly #hashes = new HashModuloCache();

  constructor(storeDir: StoreDir, realPathOf: (path: StorePath) => string) {
    this.#storeDir = storeDir;
    this.#realPathOf = realPathOf;
  }

  /** @throws `ERR_DRV_SYNTAX`, or the error of the file system. */
  read(drvPath: StorePath): Derivation {
    const kept = this.#kept.get(drvPath);
    this.#kept.delete(drvPath);
    const drv = kept ?? this.#parse(drvPath);
    this.#kept.set(drvPath, drv);
    if (this.#kept.size > cachedDerivations) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    return drv;
  }

  /**
   * The derivation in the file of `drvPath`, read anew, once everything that is demanded of it when it becomes valid holds.
   *
   * @throws `ERR_DRV_…` of `@drvkit/drv-parser`.
   */
  readValidated(drvPath: StorePath): Derivation {
    const drv = this.#parse(drvPath);
    validateDerivation(drvPath, drv, (input) => this.read(input), this.#hashes);
    return drv;
  }

  /** The hash modulo of each output of the derivation at `drvPath`, its own paths left out: what realisations are named by. */
  outputHashes(drvPath: StorePath): ReadonlyMap<OutputName, Hash> {
    return computeHashModulo(this.read(drvPath), true, (input) => this.read(input), this.#hashes).hashes;
  }

  #parse(drvPath: StorePath): Derivation {
    const { buffer, byteOffset, byteLength } = readFileSync(this.#realPathOf(drvPath));
    return parseDerivation(new Uint8Array(buffer, byteOffset, byteLength), {
      storeDir: this.#storeDir,
      name: derivationNameOf(drvPath),
      dynamic: true, // whether such a derivation may be built is not the store's to say
    });
  }
}
