import { compareBytes, concatBytes } from "./bytes.js";
import { NarError } from "./error.js";
import type { NarEvent, NarSourceEvent } from "./event.js";
import type { NarLimits } from "./limits.js";
import { parseNar, parseNarStream } from "./parse.js";

/** A file tree in memory. */
export type NarTree =
  | { readonly type: "regular"; readonly executable: boolean; readonly contents: Uint8Array }
  | { readonly type: "symlink"; readonly target: Uint8Array }
  | { readonly type: "directory"; readonly entries: readonly NarTreeEntry[] };

/** What a directory holds, in any order. */
export interface NarTreeEntry {
  readonly name: Uint8Array;
  readonly node: NarTree;
}

/** The tree in an archive. @throws {@link NarError} as `parseNar`. */
export function readNarTree(source: Uint8Array | Iterable<Uint8Array>, limits?: Partial<NarLimits>): NarTree {
  const builder = new TreeBuilder();
  for (const event of parseNar(source, limits)) builder.take(event);
  return builder.tree();
}

/** The tree in an archive that streams in. @throws {@link NarError} as `parseNar`; whatever the source throws. */
export async function readNarTreeStream(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limits?: Partial<NarLimits>,
): Promise<NarTree> {
  const builder = new TreeBuilder();
  for await (const event of parseNarStream(source, limits)) builder.take(event);
  return builder.tree();
}

const rootName = new Uint8Array();

/** Events of a tree, entries in byte order of their names: what `printNar` takes. */
export function* narTreeEvents(tree: NarTree): Generator<NarSourceEvent, void, undefined> {
  const rest: (NarTreeEntry | "directoryEnd")[] = [{ name: rootName, node: tree }];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (next === "directoryEnd") {
      yield { type: "directoryEnd" };
      continue;
    }
    const { name, node } = next;
    switch (node.type) {
      case "regular":
        yield { type: "regular", name, executable: node.executable, sizeBytes: node.contents.length };
        if (node.contents.length > 0) yield { type: "contents", bytes: node.contents };
        break;
      case "symlink":
        yield { type: "symlink", name, target: node.target };
        break;
      case "directory":
        yield { type: "directory", name };
        rest.push("directoryEnd", ...[...node.entries].sort((a, b) => compareBytes(b.name, a.name)));
        break;
    }
  }
}

interface OpenDirectory {
  readonly name: Uint8Array;
  readonly entries: NarTreeEntry[];
}

class TreeBuilder {
  readonly #open: OpenDirectory[] = [];
  #file: { readonly name: Uint8Array; readonly executable: boolean; left: number } | undefined;
  #contents: Uint8Array[] = [];
  #root: NarTree | undefined;

  take(event: NarEvent): void {
    switch (event.type) {
      case "regular":
        this.#file = { name: event.name, executable: event.executable, left: event.sizeBytes };
        this.#endFileIfWhole();
        break;
      case "contents":
        this.#contents.push(event.bytes);
        if (this.#file !== undefined) this.#file.left -= event.bytes.length;
        this.#endFileIfWhole();
        break;
      case "symlink":
        this.#put(event.name, { type: "symlink", target: event.target });
        break;
      case "directory":
        this.#open.push({ name: event.name, entries: [] });
        break;
      case "directoryEnd": {
        const directory = this.#open.pop();
        if (directory !== undefined)
          this.#put(directory.name, { type: "directory", entries: directory.entries });
      }
    }
  }

  tree(): NarTree {
    if (this.#root === undefined) throw new NarError("ERR_NAR_TRUNCATED", "unexpected end-of-file");
    return this.#root;
  }

  #endFileIfWhole(): void {
    if (this.#file === undefined || this.#file.left > 0) return;
    const { name, executable } = this.#file;
    this.#put(name, { type: "regular", executable, contents: concatBytes(this.#contents) });
    this.#file = undefined;
    this.#contents = [];
  }

  #put(name: Uint8Array, node: NarTree): void {
    const directory = this.#open.at(-1);
    if (directory === undefined) this.#root = node;
    else directory.entries.push({ name, node });
  }
}
