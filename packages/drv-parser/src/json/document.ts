import type { Derivation } from "../derivation/derivation.js";
import { DrvError } from "../error.js";
import { defaultStoreDir, type StoreDir } from "../store-path/store-dir.js";
import { baseNameOf, derivationNameOf, type StorePath } from "../store-path/store-path.js";
import { pathIn, readDerivation } from "./parse.js";
import { derivationToJson4 } from "./print-4.js";
import { JsonPlace } from "./shape.js";
import { type JsonValue, parseJson, printJson } from "./value.js";

/** How derivations are read from JSON. */
export interface ParseDerivationsOptions {
  readonly storeDir?: StoreDir;
}

/**
 * The derivations in a document as `nix show-derivation` and `nix derivation show` print it, of whatever version: an
 * object by paths, or one with the members `derivations` and `version`.
 *
 * @throws {@link DrvError} `ERR_JSON_SYNTAX`, `ERR_DRV_JSON` with the place in the document.
 */
export function parseDerivationsJson(
  source: string | Uint8Array,
  { storeDir = defaultStoreDir }: ParseDerivationsOptions = {},
): ReadonlyMap<StorePath, Derivation> {
  const document = new JsonPlace("", parseJson(source));
  const isVersioned = document.member("derivations").isPresent && document.member("version").isPresent;
  if (isVersioned) checkVersion(document, [3, 4]);
  const all = isVersioned ? document.member("derivations") : document;
  return new Map(
    all.members.map(([text, json]) => {
      const path = json.within(() => pathIn(text, storeDir));
      if (json.member("version").isPresent) checkVersion(json, [3, 4]);
      const name = json.within(() => derivationNameOf(path));
      return [path, readDerivation(json, { name, storeDir })];
    }),
  );
}

/**
 * One derivation in version 4 of its JSON, as `nix derivation add` takes it: its name is in it.
 *
 * @throws {@link DrvError} `ERR_JSON_SYNTAX`, `ERR_DRV_JSON`.
 * @see Nix: src/libstore/derivations.cc, `adl_serializer<Derivation>::from_json`
 */
export function parseDerivationJson(
  source: string | Uint8Array,
  { storeDir = defaultStoreDir }: ParseDerivationsOptions = {},
): Derivation {
  const json = new JsonPlace("", parseJson(source));
  checkVersion(json, [4]);
  return readDerivation(json, { name: json.member("name").string, storeDir });
}

/** The document with these derivations in version 4, compact or indented. @throws as {@link derivationToJson4}. */
export function printDerivationsJson4(derivations: ReadonlyMap<StorePath, Derivation>, indent = 0): string {
  const members = [...derivations].map(([path, drv]) => [baseNameOf(path), derivationToJson4(drv)] as const);
  const document: JsonValue = {
    type: "object",
    members: new Map<string, JsonValue>([
      ["derivations", { type: "object", members: new Map(members) }],
      ["version", { type: "number", text: "4" }],
    ]),
  };
  return printJson(document, indent);
}

function checkVersion(json: JsonPlace, known: readonly number[]): void {
  const version = json.member("version");
  const text = version.value?.type === "number" ? version.value.text : version.refuse("a number");
  if (known.some((each) => String(each) === text)) return;
  throw new DrvError(
    "ERR_DRV_JSON",
    `Unsupported derivation JSON format version ${text}, only format version 4 is currently supported.`,
  );
}
