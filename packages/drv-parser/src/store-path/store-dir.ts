import { DrvError } from "../error.js";

/** Logical store directory: absolute, canonical, part of every path computation. */
export type StoreDir = string & { readonly __brand: "StoreDir" };

/**
 * The store directory that a text names.
 *
 * @throws {@link DrvError} `ERR_STORE_DIR` unless it is absolute and canonical.
 */
export function makeStoreDir(text: string): StoreDir {
  const components = text.slice(1).split("/");
  const canonical =
    text.startsWith("/") && components.every((each) => each !== "" && each !== "." && each !== "..");
  if (!canonical)
    throw new DrvError("ERR_STORE_DIR", `'${text}' is not an absolute canonical path`, {
      hint: "write it like '/nix/store'",
    });
  return text as StoreDir;
}

/** `/nix/store`. */
export const defaultStoreDir: StoreDir = makeStoreDir("/nix/store");
