import { EngineError, type StorePath } from "@drvkit/drv-parser";

/** Throws the store's own error for a path that is not valid. */
export function notValid(path: StorePath): never {
  throw new EngineError("ERR_STORE_NOT_VALID", `path '${path}' is not valid`, {
    hint: "build it or add it first; '--store' chooses another store",
  });
}
