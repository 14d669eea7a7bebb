import { basename, dirname, resolve } from "node:path";
import type { PathInfo } from "@drvkit/narinfo";
import { fileSystemType } from "@drvkit/sandbox-native";
import type { LmdbStore } from "@drvkit/store-lmdb";
import { digestListing, recall, remember, type SourceRequest } from "./cache.js";
import { sourceError } from "./error.js";
import { makeFilter, type SourceFilter, type SourceFilters } from "./filter.js";
import { listSource, type SourceEntry } from "./list.js";

/** How a file or folder of this machine becomes a store object. */
export interface SourceOptions extends SourceFilters {
  /** Name part of the store path; that of the file unless given. */
  readonly name?: string;
  readonly signal?: AbortSignal;
}

/**
 * Adds a file or folder as it is now. The path is the one that Nix gives to a source with a filter that takes the same entries.
 *
 * What was added before and has kept its stamps (times, size, inode) is not read again.
 *
 * @throws EngineSetupError `ERR_SOURCE_MISSING`, `ERR_SOURCE_UNREADABLE`, `ERR_SOURCE_TYPE`, `ERR_SOURCE_CHANGED`, `ERR_SOURCE_NAME`,
 * `ERR_SOURCE_FILTER`; `ERR_STORE_PATH_NAME`; the errors of `addTree`.
 * @see Nix: src/libexpr/primops.cc, `builtins.path`
 */
export async function addSource(
  store: LmdbStore,
  path: string,
  options: SourceOptions = {},
): Promise<PathInfo> {
  const top = resolve(path);
  const filter = await makeFilter(options);
  try {
    return await new SourceReading(store, top, options, filter).add();
  } catch (error) {
    throw sourceError(error, top);
  }
}

class SourceReading {
  readonly #startedNs = BigInt(Date.now()) * 1_000_000n;
  readonly #request: SourceRequest;
  readonly #name: string;

  constructor(
    readonly store: LmdbStore,
    readonly top: string,
    readonly options: SourceOptions,
    readonly filter: SourceFilter | undefined,
  ) {
    const { name = basename(top), include, exclude, ignoreFile } = options;
    this.#name = name;
    this.#request = JSON.stringify([top, name, include, exclude, ignoreFile]);
  }

  async add(): Promise<PathInfo> {
    const entries = await this.#list();
    // Stamps of files that other machines write cannot be relied on. A link at the top is not followed.
    const place = entries[0]?.type === "symlink" ? dirname(this.top) : this.top;
    if (fileSystemType(place).network) return await this.#read(entries);
    const listing = digestListing(this.#request, entries);
    const known = await recall(this.store, this.#request, listing);
    if (known !== undefined) return known;
    const info = await this.#read(entries);
    if (await this.#isSettled(entries, listing)) await remember(this.store, this.#request, { listing, info });
    return info;
  }

  #list(): Promise<readonly SourceEntry[]> {
    return listSource(this.top, { filter: this.filter, signal: this.options.signal });
  }

  #read(entries: readonly SourceEntry[]): Promise<PathInfo> {
    const { signal } = this.options;
    return this.store.addTree(this.#name, this.top, {
      ...(this.filter !== undefined && { keep: keepOf(entries) }),
      ...(signal !== undefined && { signal }),
    });
  }

  /** Whether the stamps stand for what was read: none has changed since, and none is so young that a change may leave it as it is. */
  async #isSettled(entries: readonly SourceEntry[], listing: Uint8Array): Promise<boolean> {
    const youngest = this.#startedNs - coarsestClockNs;
    if (entries.some((each) => each.type !== "directory" && each.changedNs > youngest)) return false;
    return Buffer.compare(digestListing(this.#request, await this.#list()), listing) === 0;
  }
}

/** Times of FAT count in steps of two seconds. */
const coarsestClockNs = 2_000_000_000n;

/** The paths below the top, each ended by a zero byte. */
function keepOf(entries: readonly SourceEntry[]): Uint8Array {
  const below = entries.filter(({ path }) => path.length > 0);
  return Buffer.concat(below.flatMap(({ path }) => [path, Uint8Array.of(0)]));
}
