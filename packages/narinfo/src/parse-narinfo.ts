import {
  defaultStoreDir,
  EngineError,
  type Hash,
  makeStorePath,
  parseContentAddress,
  parseHash,
  parseStorePath,
  type StoreDir,
  type StorePath,
  textOf,
} from "@drvkit/drv-parser";
import { NarInfoError } from "./error.js";
import type { NarInfo } from "./narinfo.js";

/** How a narinfo is read. */
export interface ParseNarInfoOptions {
  /** What its store paths are below. */
  readonly storeDir?: StoreDir;
  /** Where it came from, for messages. */
  readonly file?: string;
}

/**
 * The value of a narinfo. Keys may come in any order, unknown ones are passed over; a line may end in CR LF.
 *
 * @throws {@link NarInfoError} `ERR_NARINFO_SYNTAX` with line, expected and found. Refused are a line without colon or
 *   end, a key that is missing or stands twice, a value that is not what its key says.
 * @see Nix: src/libstore/nar-info.cc, `NarInfo::NarInfo`
 */
export function parseNarInfo(text: string | Uint8Array, options: ParseNarInfoOptions = {}): NarInfo {
  const file = options.file ?? "";
  const fields = new Fields(typeof text === "string" ? text : textIn(text, file), file);
  const storeDir = options.storeDir ?? defaultStoreDir;
  const path = fields.required("StorePath", (value) => parseStorePath(storeDir, value));
  const inStore = (baseName: string): StorePath => makeStorePath(storeDir, baseName);
  const deriver = fields.optional("Deriver", (value) =>
    value === "unknown-deriver" ? undefined : inStore(value),
  );
  const fileHash = fields.optional("FileHash", hashIn);
  const fileSizeBytes = fields.optional("FileSize", sizeIn);
  const ca = fields.optional("CA", parseContentAddress);
  return {
    path,
    url: fields.required("URL", (value) => value),
    compression: fields.optional("Compression", (value) => value) ?? "bzip2",
    ...(fileHash === undefined ? {} : { fileHash }),
    ...(fileSizeBytes === undefined ? {} : { fileSizeBytes }),
    narHash: fields.required("NarHash", hashIn),
    narSizeBytes: fields.required("NarSize", (value) => {
      const size = sizeIn(value);
      return size === 0 ? undefined : size;
    }),
    references: new Set(fields.optional("References", words)?.map((word) => fields.within(word, inStore))),
    ...(deriver === undefined ? {} : { deriver }),
    registrationTimeSeconds: 0,
    ultimate: false,
    signatures: fields.all("Sig"),
    ...(ca === undefined ? {} : { ca }),
  };
}

/** What each key's value is, for messages. */
const meanings: Readonly<Record<string, string>> = {
  StorePath: "a store path",
  URL: "a URL",
  Compression: "the name of a compression",
  FileHash: "a sha256 hash",
  FileSize: "a number of bytes",
  NarHash: "a sha256 hash",
  NarSize: "a number of bytes, not 0",
  References: "base names of store paths",
  Deriver: "the base name of a store path",
  Sig: "a signature",
  CA: "a content address",
};

interface Field {
  readonly line: number;
  readonly value: string;
}

/** The lines of a narinfo by their keys. */
class Fields {
  readonly #fields = new Map<string, Field[]>();
  readonly #lines: number;
  /** What is being read, for refusals. */
  #current: { readonly key: string; readonly field: Field } | undefined;

  constructor(
    text: string,
    private readonly file: string,
  ) {
    const lines = text.split("\n");
    const rest = lines.pop() ?? "";
    this.#lines = lines.length;
    if (rest !== "") this.#refuse(lines.length + 1, "a line end", `'${shorten(rest)}' and the end`);
    for (const [index, line] of lines.entries()) this.#add(line.replace(/\r$/u, ""), index + 1);
  }

  required<Value>(key: string, read: (value: string) => Value | undefined): Value {
    const value = this.optional(key, read);
    if (value !== undefined) return value;
    const field = this.#fields.get(key)?.at(-1);
    if (field === undefined) return this.#refuse(this.#lines + 1, `'${key}'`, "the end");
    return this.#refuse(field.line, meaningOf(key), `'${shorten(field.value)}'`);
  }

  /** `undefined` where the key is missing or its value empty. */
  optional<Value>(key: string, read: (value: string) => Value): Value | undefined {
    const field = this.#fields.get(key)?.at(-1);
    if (field === undefined || field.value === "") return undefined;
    this.#current = { key, field };
    return this.within(field.value, read);
  }

  /** Reads a part of the value that was read last. */
  within<Value>(part: string, read: (value: string) => Value): Value {
    try {
      return read(part);
    } catch (cause) {
      if (!(cause instanceof EngineError) || this.#current === undefined) throw cause;
      const { key, field } = this.#current;
      return this.#refuse(field.line, meaningOf(key), `'${shorten(part)}'`, cause);
    }
  }

  all(key: string): readonly string[] {
    return (this.#fields.get(key) ?? []).map(({ value }) => value).filter((value) => value !== "");
  }

  #add(line: string, number: number): void {
    const colon = line.indexOf(":");
    if (colon < 0) this.#refuse(number, "'KEY: VALUE'", `'${shorten(line)}'`);
    const key = line.slice(0, colon);
    if (!Object.hasOwn(meanings, key)) return;
    const behind = line.slice(colon + 1);
    if (behind !== "" && !behind.startsWith(" "))
      this.#refuse(number, "a space after the colon", `'${shorten(line)}'`);
    const field = { line: number, value: behind.slice(1) };
    const known = this.#fields.get(key) ?? [];
    if (key !== "Sig" && known.some(({ value }) => value !== ""))
      this.#refuse(number, `'${key}' once`, "it again");
    this.#fields.set(key, [...known, field]);
  }

  #refuse(line: number, expected: string, found: string, cause?: unknown): never {
    throw new NarInfoError("ERR_NARINFO_SYNTAX", `NAR info file '${this.file}' is corrupt`, {
      place: { line, expected, found },
      cause,
    });
  }
}

function meaningOf(key: string): string {
  return meanings[key] ?? "a value";
}

function textIn(bytes: Uint8Array, file: string): string {
  try {
    return textOf(bytes);
  } catch (cause) {
    throw new NarInfoError("ERR_NARINFO_SYNTAX", `NAR info file '${file}' is corrupt`, {
      place: { line: 1, expected: "UTF-8 text", found: "other bytes" },
      cause,
    });
  }
}

function hashIn(value: string): Hash {
  const hash = parseHash(value);
  if (hash.algorithm === "sha256") return hash;
  throw new NarInfoError("ERR_NARINFO_SYNTAX", `hash '${value}' should have type 'sha256'`);
}

function sizeIn(value: string): number {
  const size = /^\d+$/u.test(value) ? Number(value) : Number.NaN;
  if (Number.isSafeInteger(size)) return size;
  throw new NarInfoError("ERR_NARINFO_SYNTAX", `'${value}' is no number of bytes`);
}

function words(value: string): readonly string[] {
  return value.split(/ +/u).filter((word) => word !== "");
}

const mostShown = 80;

function shorten(text: string): string {
  return text.length > mostShown ? `${text.slice(0, mostShown)}…` : text;
}
