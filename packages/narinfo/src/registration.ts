import {
  compareText,
  defaultStoreDir,
  EngineError,
  type Hash,
  parseHash,
  parseStorePath,
  printHash,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import { NarInfoError } from "./error.js";

/** What the text forms of a registration say of one path: no signatures, no content address, no time. */
export interface Registration {
  readonly path: StorePath;
  /** Hash and size of its archive; not in files of `exportReferencesGraph`. */
  readonly nar?: { readonly hash: Hash; readonly sizeBytes: number };
  readonly deriver?: StorePath;
  readonly references: ReadonlySet<StorePath>;
}

/**
 * Records as `nix-store --dump-db` prints and `--load-db` takes them; without `nar` in the form that
 * `exportReferencesGraph` and `--register-validity` have.
 *
 * @see Nix: src/libstore/store-api.cc, `Store::makeValidityRegistration`
 */
export function printRegistrations(registrations: Iterable<Registration>): string {
  return [...registrations].map(printRegistration).join("");
}

function printRegistration({ path, nar, deriver, references }: Registration): string {
  const lines = [
    path,
    ...(nar === undefined ? [] : [printHash(nar.hash, "base16"), String(nar.sizeBytes)]),
    deriver ?? "",
    String(references.size),
    ...[...references].sort(compareText),
  ];
  return `${lines.join("\n")}\n`;
}

/** How registrations are read. */
export interface ParseRegistrationsOptions {
  /** Whether each record has hash and size. Default: true. */
  readonly hashGiven?: boolean;
  readonly storeDir?: StoreDir;
}

/**
 * The records in a text.
 *
 * @throws {@link NarInfoError} `ERR_REGISTRATION_SYNTAX` with line, expected and found.
 * @see Nix: src/libstore/store-api.cc, `decodeValidPathInfo`
 */
export function parseRegistrations(
  text: string,
  { hashGiven = true, storeDir = defaultStoreDir }: ParseRegistrationsOptions = {},
): readonly Registration[] {
  const lines = new Lines(text);
  const path = (line: string) => parseStorePath(storeDir, line);
  const registrations: Registration[] = [];
  while (!lines.isOver) {
    const subject = lines.next("a store path", path);
    const nar = hashGiven
      ? { hash: lines.next("a sha256 hash", sha256), sizeBytes: lines.number() }
      : undefined;
    const deriver = lines.next("a store path or nothing", (line) => (line === "" ? undefined : path(line)));
    const references = new Set<StorePath>();
    for (let left = lines.number(); left > 0; left -= 1) references.add(lines.next("a store path", path));
    registrations.push({
      path: subject,
      ...(nar === undefined ? {} : { nar }),
      ...(deriver === undefined ? {} : { deriver }),
      references,
    });
  }
  return registrations;
}

class Lines {
  readonly #lines: readonly string[];
  #at = 0;

  constructor(text: string) {
    const lines = text.split("\n");
    // Behind the last line end there is no line.
    this.#lines = lines.at(-1) === "" ? lines.slice(0, -1) : lines;
  }

  get isOver(): boolean {
    return this.#at >= this.#lines.length;
  }

  number(): number {
    return this.next("a number", count, "number expected");
  }

  next<Value>(
    expected: string,
    read: (line: string) => Value,
    message = "registration cannot be read",
  ): Value {
    const line = this.#lines[this.#at];
    if (line === undefined) return this.#refuse("missing input", expected, "the end");
    try {
      const value = read(line);
      this.#at += 1;
      return value;
    } catch (cause) {
      if (!(cause instanceof EngineError)) throw cause;
      return this.#refuse(message, expected, `'${line.slice(0, 80)}'`, cause);
    }
  }

  #refuse(message: string, expected: string, found: string, cause?: unknown): never {
    throw new NarInfoError("ERR_REGISTRATION_SYNTAX", message, {
      place: { line: this.#at + 1, expected, found },
      cause,
    });
  }
}

function sha256(line: string): Hash {
  return parseHash(line, "sha256");
}

function count(line: string): number {
  const value = /^\d+$/u.test(line) ? Number(line) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new NarInfoError("ERR_REGISTRATION_SYNTAX", `'${line}' is no number`);
}
