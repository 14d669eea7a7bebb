import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { type EntryType, type ListedEntry, listDirectory, statEntry } from "@drvkit/sandbox-native";
import { EngineSetupError } from "../error.js";
import type { IgnoreLayer, SourceFilter } from "./filter.js";

/** One entry of a source that is taken. */
export interface SourceEntry {
  /** From the top, empty for the top itself. */
  readonly path: Uint8Array;
  readonly type: EntryType;
  readonly stamp: Uint8Array;
  readonly changedNs: bigint;
}

/**
 * What is taken of the tree at `top`: itself first, every folder before what is in it.
 *
 * @throws EngineSetupError `ERR_SOURCE_MISSING`; `ERR_SOURCE_NAME` for a name that is no UTF-8 when there is a filter; SandboxError.
 */
export async function listSource(
  top: string,
  options: { readonly filter?: SourceFilter | undefined; readonly signal?: AbortSignal | undefined },
): Promise<readonly SourceEntry[]> {
  const found = statEntry(top);
  if (found === undefined)
    throw new EngineSetupError("ERR_SOURCE_MISSING", `no file or folder '${top}'`, {
      hint: "paths are relative to the folder that the program runs in",
    });
  const entry = entryOf(found, new Uint8Array());
  if (found.type !== "directory") return [entry];
  return [entry, ...(await new Listing(top, options.filter, options.signal).folder(entry.path, []))];
}

class Listing {
  constructor(
    readonly top: string,
    readonly filter: SourceFilter | undefined,
    readonly signal: AbortSignal | undefined,
  ) {}

  async folder(path: Uint8Array, above: readonly IgnoreLayer[]): Promise<readonly SourceEntry[]> {
    this.signal?.throwIfAborted();
    const listed = await listDirectory(this.top, path);
    const layers = await this.#layersIn(path, listed, above);
    const taken: SourceEntry[][] = [];
    for (const each of listed) taken.push(await this.#entry(entryOf(each, path), layers));
    return taken.flat();
  }

  async #entry(entry: SourceEntry, layers: readonly IgnoreLayer[]): Promise<SourceEntry[]> {
    const isFolder = entry.type === "directory";
    const verdict = this.filter?.judge(this.#textOf(entry.path) + (isFolder ? "/" : ""), layers) ?? "take";
    if (verdict === "leave") return [];
    if (!isFolder) return [entry];
    const inside = await this.folder(entry.path, layers);
    return verdict === "search" && inside.length === 0 ? [] : [entry, ...inside];
  }

  async #layersIn(
    path: Uint8Array,
    listed: readonly ListedEntry[],
    above: readonly IgnoreLayer[],
  ): Promise<readonly IgnoreLayer[]> {
    const { filter } = this;
    if (filter?.ignoreFile === undefined) return above;
    const name = Buffer.from(filter.ignoreFile);
    if (!listed.some((each) => each.type === "regular" && name.equals(each.name))) return above;
    const file = Buffer.concat([Buffer.from(`${this.top}/`), joined(path, name)]);
    const below = path.length === 0 ? "" : `${this.#textOf(path)}/`;
    return [...above, filter.makeLayer(below, await readRegular(file))];
  }

  #textOf(path: Uint8Array): string {
    try {
      return utf8.decode(path);
    } catch {
      const shown = Buffer.from(path)
        .toString("latin1")
        .replace(/[^ -~]/g, escapeByte);
      throw new EngineSetupError("ERR_SOURCE_NAME", `name of '${this.top}/${shown}' is not UTF-8`, {
        hint: "rename it, or add the folder without filters",
      });
    }
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function escapeByte(byte: string): string {
  return `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

function entryOf({ name, type, stamp, changedNs }: ListedEntry, folder: Uint8Array): SourceEntry {
  return { path: joined(folder, name), type, stamp, changedNs };
}

function joined(folder: Uint8Array, name: Uint8Array): Uint8Array {
  return folder.length === 0 ? name : Buffer.concat([folder, Buffer.from("/"), name]);
}

/** The name may have become a link or a FIFO since it was listed. */
async function readRegular(file: Buffer): Promise<string> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}
