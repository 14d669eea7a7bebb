import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesOf } from "../../src/bytes.js";
import type { NarEvent, NarTree } from "../../src/index.js";
import { stringBlock } from "../../src/words.js";

export const testdata = join(import.meta.dirname, "../../testdata");

/** Archives that Nix made, by the name of what is in them. */
export const goldenArchives = readdirSync(testdata)
  .filter((file) => file.endsWith(".nar"))
  .map((file) => {
    const listing = join(testdata, file.replace(/\.nar$/u, ".ls"));
    return {
      name: file.slice(0, -".nar".length),
      bytes: new Uint8Array(readFileSync(join(testdata, file))),
      ...(existsSync(listing) ? { listing: readFileSync(listing, "utf8") } : {}),
    };
  });

/** Strings of an archive, each with length and padding. */
export function strings(...all: readonly (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    all.map((each) => stringBlock(typeof each === "string" ? bytesOf(each) : each)),
  ) as Uint8Array;
}

/** An archive with this inside the root's parentheses. */
export function archiveOf(...inside: readonly (string | Uint8Array)[]): Uint8Array {
  return strings("nix-archive-1", "(", ...inside, ")");
}

export function file(contents: string | Uint8Array, executable = false): NarTree {
  return {
    type: "regular",
    executable,
    contents: typeof contents === "string" ? bytesOf(contents) : contents,
  };
}

export function link(target: string): NarTree {
  return { type: "symlink", target: bytesOf(target) };
}

export function directory(entries: Readonly<Record<string, NarTree>>): NarTree {
  return {
    type: "directory",
    entries: Object.entries(entries).map(([name, node]) => ({ name: bytesOf(name), node })),
  };
}

/** Events with the contents of each file in one piece, so that they can be compared. */
export function joined(events: Iterable<NarEvent>): readonly NarEvent[] {
  const all: NarEvent[] = [];
  for (const event of events) {
    const last = all.at(-1);
    if (event.type === "contents" && last?.type === "contents")
      all[all.length - 1] = {
        type: "contents",
        bytes: new Uint8Array(Buffer.concat([last.bytes, event.bytes])),
      };
    else
      all.push(event.type === "contents" ? { type: "contents", bytes: new Uint8Array(event.bytes) } : event);
  }
  return all;
}

export function concat(pieces: Iterable<Uint8Array>): Uint8Array {
  return new Uint8Array(Buffer.concat([...pieces]));
}

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return concat(all);
}

/** The bytes in pieces of this length. */
export function* pieces(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}
