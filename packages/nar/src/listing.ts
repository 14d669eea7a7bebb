import { show, textOrUndefined } from "./bytes.js";
import { NarError } from "./error.js";
import type { NarEvent } from "./event.js";
import type { NarLimits } from "./limits.js";
import { parseNar, parseNarStream } from "./parse.js";

/**
 * What an archive holds and where, without contents. Names are text here.
 *
 * @see Nix: src/libstore/nar-accessor.cc, `listNar`
 */
export type NarListing =
  | {
      readonly type: "regular";
      readonly sizeBytes: number;
      readonly executable: boolean;
      /** Byte of the archive at which the contents begin. */
      readonly narOffset: number;
    }
  | { readonly type: "symlink"; readonly target: string }
  | { readonly type: "directory"; readonly entries: ReadonlyMap<string, NarListing> };

/**
 * The listing of an archive.
 *
 * @throws {@link NarError} as `parseNar`; `ERR_NAR_NOT_UTF8` for a name or target that is no text.
 */
export function listNar(source: Uint8Array | Iterable<Uint8Array>, limits?: Partial<NarLimits>): NarListing {
  const builder = new ListingBuilder();
  for (const event of parseNar(source, limits)) builder.take(event);
  return builder.listing();
}

/** The listing of an archive that streams in. @throws {@link NarError} as {@link listNar}. */
export async function listNarStream(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limits?: Partial<NarLimits>,
): Promise<NarListing> {
  const builder = new ListingBuilder();
  for await (const event of parseNarStream(source, limits)) builder.take(event);
  return builder.listing();
}

/** The node at a path such as `share/doc/README`; `""` is the root. Links are not followed. */
export function findInListing(listing: NarListing, path: string): NarListing | undefined {
  let node: NarListing | undefined = listing;
  for (const name of path.split("/")) {
    if (name === "") continue;
    node = node?.type === "directory" ? node.entries.get(name) : undefined;
  }
  return node;
}

class ListingBuilder {
  readonly #open: { readonly name: Uint8Array; readonly entries: Map<string, NarListing> }[] = [];
  #root: NarListing | undefined;

  take(event: NarEvent): void {
    switch (event.type) {
      case "contents":
        break;
      case "regular":
        this.#put(event.name, {
          type: "regular",
          sizeBytes: event.sizeBytes,
          executable: event.executable,
          narOffset: event.offset,
        });
        break;
      case "symlink":
        this.#put(event.name, { type: "symlink", target: textIn("target", event.target) });
        break;
      case "directory":
        this.#open.push({ name: event.name, entries: new Map() });
        break;
      case "directoryEnd": {
        const directory = this.#open.pop();
        if (directory !== undefined)
          this.#put(directory.name, { type: "directory", entries: directory.entries });
      }
    }
  }

  listing(): NarListing {
    if (this.#root === undefined) throw new NarError("ERR_NAR_TRUNCATED", "unexpected end-of-file");
    return this.#root;
  }

  #put(name: Uint8Array, node: NarListing): void {
    const directory = this.#open.at(-1);
    if (directory === undefined) this.#root = node;
    else directory.entries.set(textIn("name", name), node);
  }
}

function textIn(what: string, bytes: Uint8Array): string {
  const text = textOrUndefined(bytes);
  if (text !== undefined) return text;
  throw new NarError("ERR_NAR_NOT_UTF8", `${what} ${show(bytes)} is not UTF-8, a listing cannot hold it`, {
    hint: "take the events of parseNar, whose names are bytes",
  });
}
