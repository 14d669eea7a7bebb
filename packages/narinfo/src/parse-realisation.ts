import {
  defaultStoreDir,
  EngineError,
  isDerivationPath,
  type JsonObject,
  type JsonValue,
  makeOutputName,
  makeStorePath,
  parseHash,
  parseJson,
  parseStorePath,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import { NarInfoError } from "./error.js";
import { type DrvOutput, printDrvOutput, type Realisation } from "./realisation.js";

/** How a realisation is read. */
export interface ParseRealisationOptions {
  /** What its store paths are below. */
  readonly storeDir?: StoreDir;
  /** Of what it is: needed where the text does not tell, checked where it does. */
  readonly id?: DrvOutput;
}

/**
 * The id that a text is: `sha256:HASH!OUTPUT`, or `DRVPATH^OUTPUT`.
 *
 * @throws {@link NarInfoError} `ERR_REALISATION`.
 * @see Nix: src/libstore/realisation.cc, `DrvOutput::parse`
 */
export function parseDrvOutput(text: string, storeDir: StoreDir = defaultStoreDir): DrvOutput {
  return typed(`'${text}' is no derivation output id`, () => {
    const at = text.search(/[!^]/u);
    const [key, outputName] = [text.slice(0, Math.max(0, at)), makeOutputName(text.slice(at + 1))];
    if (text[at] === "!" && key.includes(":")) return { type: "hash", hash: parseHash(key), outputName };
    const drvPath = parseStorePath(storeDir, key);
    if (text[at] !== "^" || !isDerivationPath(drvPath))
      throw new NarInfoError("ERR_REALISATION", "it is neither HASH!OUTPUT nor DRVPATH^OUTPUT");
    return { type: "path", drvPath, outputName };
  });
}

/**
 * The realisation in the text of its file. Signatures may be texts or objects; members that are missing are empty.
 *
 * @throws {@link NarInfoError} `ERR_REALISATION`.
 * @see Nix: src/libstore/realisation.cc, `Realisation::fromJSON`
 */
export function parseRealisation(
  text: string | Uint8Array,
  options: ParseRealisationOptions = {},
): Realisation {
  const { storeDir = defaultStoreDir } = options;
  return typed("a realisation cannot be read", () => {
    const json = objectIn("a realisation", parseJson(text));
    const outPath = pathIn("outPath", json.members.get("outPath"), storeDir);
    return {
      id: idOf(json, options.id, storeDir),
      outPath,
      signatures: signaturesIn(json.members.get("signatures")),
      dependentRealisations: dependenciesIn(json.members.get("dependentRealisations"), storeDir),
    };
  });
}

function idOf(json: JsonObject, expected: DrvOutput | undefined, storeDir: StoreDir): DrvOutput {
  const member = json.members.get("id");
  if (member === undefined) {
    if (expected !== undefined) return expected;
    throw new NarInfoError("ERR_REALISATION", "it does not say of which output it is");
  }
  const id = parseDrvOutput(stringIn("id", member), storeDir);
  if (expected !== undefined && printDrvOutput(id) !== printDrvOutput(expected))
    throw new NarInfoError(
      "ERR_REALISATION",
      `it is of '${printDrvOutput(id)}', not of '${printDrvOutput(expected)}'`,
    );
  return id;
}

function signaturesIn(value: JsonValue | undefined): readonly string[] {
  if (value === undefined) return [];
  if (value.type !== "array") return refuse("signatures", "an array");
  return value.items.map((item) => {
    if (item.type === "string") return item.value;
    const { members } = objectIn("a signature", item);
    return `${stringIn("keyName", members.get("keyName"))}:${stringIn("sig", members.get("sig"))}`;
  });
}

function dependenciesIn(value: JsonValue | undefined, storeDir: StoreDir): ReadonlyMap<string, StorePath> {
  if (value === undefined) return new Map();
  const { members } = objectIn("dependentRealisations", value);
  return new Map(
    [...members].map(([id, path]) => [
      printDrvOutput(parseDrvOutput(id, storeDir)),
      pathIn(id, path, storeDir),
    ]),
  );
}

function pathIn(what: string, value: JsonValue | undefined, storeDir: StoreDir): StorePath {
  return makeStorePath(storeDir, stringIn(what, value));
}

function stringIn(what: string, value: JsonValue | undefined): string {
  return value?.type === "string" ? value.value : refuse(what, "a string");
}

function objectIn(what: string, value: JsonValue): JsonObject {
  return value.type === "object" ? value : refuse(what, "an object");
}

function refuse(what: string, expected: string): never {
  throw new NarInfoError("ERR_REALISATION", `'${what}' is not ${expected}`);
}

/** Every error of reading as one of this package, with what was read before its reason. */
function typed<Value>(what: string, read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    throw new NarInfoError("ERR_REALISATION", `${what}: ${cause.message}`, { cause });
  }
}
