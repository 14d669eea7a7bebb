import { bytesOf, compareBytes } from "./bytes.js";
import { NarError } from "./error.js";
import type { NarEvent } from "./event.js";
import type { NarLimits } from "./limits.js";
import { parseNarStream } from "./parse.js";

/**
 * Contents of one file of an archive, as they stream in. What precedes the file is passed over, what follows it is not
 * read.
 *
 * @param path Such as `share/doc/README`; `""` is the root. As bytes where names are no text. Links are not followed.
 * @throws {@link NarError} `ERR_NAR_ENTRY` when there is no such file; as `parseNar`.
 */
export async function* extractNarFile(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  path: string | readonly Uint8Array[],
  limits?: Partial<NarLimits>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const event of narSubtree(source, path, limits)) {
    if (event.type === "contents") yield event.bytes;
    else if (event.type !== "regular")
      throw new NarError("ERR_NAR_ENTRY", `'${shownPath(path)}' is a ${event.type}, not a regular file`);
  }
}

/**
 * Events of one node of an archive and of all that it holds; it comes without a name, as a root. What precedes it is
 * passed over, what follows it is not read. Offsets count from the beginning of the whole archive.
 *
 * @param path As for {@link extractNarFile}.
 * @throws {@link NarError} `ERR_NAR_ENTRY` when there is no such node; as `parseNar`.
 */
export async function* narSubtree(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  path: string | readonly Uint8Array[],
  limits?: Partial<NarLimits>,
): AsyncGenerator<NarEvent, void, undefined> {
  const search = new Search(path);
  for await (const event of parseNarStream(source, limits)) {
    const found = search.take(event);
    if (found === undefined) continue;
    yield found;
    if (search.isOver) return;
  }
}

const rootName = new Uint8Array();

/** Follows a path through the events. */
class Search {
  readonly #names: readonly Uint8Array[];
  readonly #path: string;
  /** Directories that are open, and how many of them lead to the node. */
  #depth = 0;
  #onPath = 0;
  /** Within the node: bytes of contents and ends of directories that belong to it. */
  #contentsLeft = 0;
  #openWithin = 0;
  #found = false;

  constructor(path: string | readonly Uint8Array[]) {
    this.#names =
      typeof path === "string"
        ? path
            .split("/")
            .filter((name) => name !== "")
            .map(bytesOf)
        : path;
    this.#path = shownPath(path);
  }

  /** Whether the node is complete. */
  get isOver(): boolean {
    return this.#found && this.#contentsLeft === 0 && this.#openWithin === 0;
  }

  /** The event as one of the node, `undefined` while the node has not begun. */
  take(event: NarEvent): NarEvent | undefined {
    if (!this.#found && !this.#reaches(event)) return undefined;
    const isRoot = !this.#found;
    this.#found = true;
    if (event.type === "regular") this.#contentsLeft = event.sizeBytes;
    else if (event.type === "contents") this.#contentsLeft -= event.bytes.length;
    else if (event.type === "directory") this.#openWithin += 1;
    else if (event.type === "directoryEnd") this.#openWithin -= 1;
    return isRoot && "name" in event ? { ...event, name: rootName } : event;
  }

  #reaches(event: NarEvent): boolean {
    if (event.type === "contents") return false;
    if (event.type === "directoryEnd") {
      this.#depth -= 1;
      if (this.#depth < this.#onPath) this.#absent();
      return false;
    }
    if (this.#isOnPath(event.name)) {
      if (this.#depth === this.#names.length) return true;
      if (event.type !== "directory")
        throw new NarError("ERR_NAR_ENTRY", `'${this.#path}' leads through a ${event.type}, not a directory`);
      this.#onPath += 1;
    }
    if (event.type === "directory") this.#depth += 1;
    return false;
  }

  #isOnPath(name: Uint8Array): boolean {
    if (this.#onPath < this.#depth) return false;
    if (this.#depth === 0) return true;
    const order = compareBytes(name, this.#names[this.#depth - 1] as Uint8Array);
    if (order > 0) this.#absent(); // Names ascend: it will not come any more.
    return order === 0;
  }

  #absent(): never {
    throw new NarError("ERR_NAR_ENTRY", `the archive has no '${this.#path}'`);
  }
}

function shownPath(path: string | readonly Uint8Array[]): string {
  return typeof path === "string" ? path : path.map((name) => new TextDecoder().decode(name)).join("/");
}
