import { EngineError, makeStoreDir, type StoreDir } from "@drvkit/drv-parser";
import { NarInfoError } from "./error.js";

/** What a binary cache says of itself in `nix-cache-info`. */
export interface CacheInfo {
  /** What the paths of its objects are below; not said by every cache. */
  readonly storeDir?: StoreDir;
  /** Whether it wants to be asked for many paths at once. */
  readonly wantMassQuery: boolean;
  /** Lower is asked first. */
  readonly priority: number;
}

/**
 * The value of a `nix-cache-info`. Unknown keys and lines without a colon are passed over.
 *
 * @throws {@link NarInfoError} `ERR_CACHE_INFO` for a store directory or a priority that is none.
 * @see Nix: src/libstore/binary-cache-store.cc, `BinaryCacheStore::init`
 */
export function parseCacheInfo(text: string): CacheInfo {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon >= 0) values.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const storeDir = values.get("StoreDir");
  const priority = values.get("Priority");
  return {
    ...(storeDir === undefined ? {} : { storeDir: storeDirIn(storeDir) }),
    wantMassQuery: values.get("WantMassQuery") === "1",
    priority: priority === undefined ? 0 : priorityIn(priority),
  };
}

/** The text of a `nix-cache-info`; what equals the default is left out. */
export function printCacheInfo({ storeDir, wantMassQuery, priority }: CacheInfo): string {
  return [
    ...(storeDir === undefined ? [] : [`StoreDir: ${storeDir}\n`]),
    ...(wantMassQuery ? ["WantMassQuery: 1\n"] : []),
    ...(priority === 0 ? [] : [`Priority: ${priority}\n`]),
  ].join("");
}

function storeDirIn(text: string): StoreDir {
  try {
    return makeStoreDir(text);
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    throw new NarInfoError("ERR_CACHE_INFO", `'StoreDir: ${text}' of a cache is no store directory`, {
      cause,
    });
  }
}

function priorityIn(text: string): number {
  const value = /^-?\d+$/u.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new NarInfoError("ERR_CACHE_INFO", `'Priority: ${text}' of a cache is no integer`);
}
