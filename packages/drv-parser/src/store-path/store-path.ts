import { nixDigit } from "../bytes/nix-base32.js";
import { DrvError } from "../error.js";
import { checkName, type StorePathName } from "./name.js";
import type { StoreDir } from "./store-dir.js";

/** A store path as full text: `STOREDIR/HASHPART-NAME`. */
export type StorePath = string & { readonly __brand: "StorePath" };

const hashPartLength = 32;

/**
 * The path with this base name.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH`.
 */
export function makeStorePath(storeDir: StoreDir, baseName: string): StorePath {
  checkBaseName(baseName);
  return `${storeDir}/${baseName}` as StorePath;
}

/**
 * A full store path; only its one canonical spelling is taken.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH`.
 * @see Nix: src/libstore/path.cc, `StorePath::StorePath`
 */
export function parseStorePath(storeDir: StoreDir, text: string): StorePath {
  if (!isBelow(storeDir, text))
    throw new DrvError("ERR_STORE_PATH", `path '${text}' is not in the Nix store`);
  checkBaseName(text.slice(storeDir.length + 1));
  return text as StorePath;
}

/**
 * A path at or below a store path: the store path, and the rest with its leading slash or empty.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH` for a text outside the store or with a base name that is none.
 */
export function splitStorePath(
  storeDir: StoreDir,
  text: string,
): { readonly path: StorePath; readonly rest: string } {
  const slash = isBelow(storeDir, text) ? text.indexOf("/", storeDir.length + 1) : -1;
  if (slash < 0) return { path: parseStorePath(storeDir, text), rest: "" };
  return { path: parseStorePath(storeDir, text.slice(0, slash)), rest: text.slice(slash) };
}

function isBelow(storeDir: StoreDir, text: string): boolean {
  return text.startsWith(storeDir) && text[storeDir.length] === "/";
}

function checkBaseName(text: string): void {
  if (text.length < hashPartLength + 1)
    throw new DrvError("ERR_STORE_PATH", `path '${text}' is too short to be a valid store path`, {
      hint: "it is HASHPART-NAME, with 32 characters before the dash",
    });
  for (let index = 0; index < hashPartLength; index += 1)
    if (nixDigit(text.charCodeAt(index)) < 0)
      throw new DrvError(
        "ERR_STORE_PATH",
        `path '${text}' contains illegal base-32 character '${text[index]}'`,
      );
  if (text[hashPartLength] !== "-")
    throw new DrvError("ERR_STORE_PATH", `path '${text}' has no dash after its hash part`);
  checkName(text.slice(hashPartLength + 1));
}

/** `HASHPART-NAME`. */
export function baseNameOf(path: StorePath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The 32 characters before the dash. */
export function hashPartOf(path: StorePath): string {
  const start = path.lastIndexOf("/") + 1;
  return path.slice(start, start + hashPartLength);
}

/** What follows the dash. */
export function namePartOf(path: StorePath): StorePathName {
  return path.slice(path.lastIndexOf("/") + hashPartLength + 2) as StorePathName;
}

/** The directory that the path is in. */
export function storeDirOf(path: StorePath): StoreDir {
  return path.slice(0, path.lastIndexOf("/")) as StoreDir;
}

/** Whether the path is that of a store derivation: its name ends in `.drv` and has something before it. */
export function isDerivationPath(path: StorePath): boolean {
  return path.endsWith(".drv") && namePartOf(path).length > ".drv".length;
}

/**
 * Name of the derivation at `path`: its name part without `.drv`.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH` when it is none.
 */
export function derivationNameOf(path: StorePath): StorePathName {
  if (!isDerivationPath(path))
    throw new DrvError("ERR_STORE_PATH", `path '${path}' is not a derivation`, {
      hint: "its name must end in '.drv'",
    });
  return namePartOf(path).slice(0, -".drv".length) as StorePathName;
}
