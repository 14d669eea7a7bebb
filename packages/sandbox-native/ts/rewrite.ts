import type { Cancellable } from "./cancel.js";
import { dumpTree } from "./dump.js";
import { restoreTree } from "./restore.js";

/**
 * Makes a copy of a tree in which hash parts are replaced wherever they stand: in files, names and links. Modes are those of fresh
 * files.
 *
 * @param rewrites Texts by the texts that stand for them, all of one length.
 * @throws as `dumpTree` and `restoreTree`.
 * @see Nix: src/libstore/references.cc, `RewritingSink`
 */
export async function rewriteTree(
  source: string,
  target: string,
  rewrites: ReadonlyMap<string, string>,
  { signal }: Cancellable = {},
): Promise<void> {
  const pairs = [...rewrites].map(([from, to]) => ({ from: Buffer.from(from), to: Buffer.from(to) }));
  await restoreTree(replaced(dumpTree(source, { signal }), pairs), target, { signal });
}

/**
 * sha256 of the archive of a tree that names itself: zeros stand for its hash part, and the offsets at which it stood are hashed behind
 * the rest.
 *
 * @throws as `dumpTree`; the reason of the signal.
 * @see Nix: src/libstore/references.cc, `HashModuloSink`
 */
export async function hashTreeModulo(
  path: string,
  hashPart: string,
  { signal }: Cancellable = {},
): Promise<Uint8Array> {
  const { createHash } = await import("node:crypto"); // takes a while to load
  const hasher = createHash("sha256");
  const from = Buffer.from(hashPart);
  const offsets: number[] = [];
  const zeros = [{ from, to: Buffer.alloc(from.length) }];
  for await (const chunk of replaced(dumpTree(path, { signal }), zeros, (offset) => offsets.push(offset))) {
    hasher.update(chunk);
  }
  for (const offset of offsets) hasher.update(`|${offset}`);
  return new Uint8Array(hasher.digest());
}

interface Replacement {
  readonly from: Buffer;
  readonly to: Buffer;
}

/** Replaces texts of one length in a stream, the first in it first, also across its pieces; tells the offset of each. */
export async function* replaced(
  chunks: AsyncIterable<Uint8Array>,
  replacements: readonly Replacement[],
  found: (offset: number) => void = () => undefined,
): AsyncGenerator<Uint8Array> {
  const held = Math.max(0, ...replacements.map(({ from }) => from.length - 1));
  let [rest, offset] = [Buffer.alloc(0), 0];
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    const done = replaceIn(rest, replacements, (at) => found(offset + at));
    const end = Math.max(done, rest.length - held);
    yield rest.subarray(0, end);
    offset += end;
    rest = rest.subarray(end);
  }
  yield rest;
}

/** Where the last of what was put there ends: nothing before it is looked at again, whatever the pieces are. */
function replaceIn(bytes: Buffer, replacements: readonly Replacement[], found: (at: number) => void): number {
  const next = replacements.map((each) => ({ ...each, at: bytes.indexOf(each.from) }));
  for (let end = 0; ; ) {
    for (const each of next) if (each.at >= 0 && each.at < end) each.at = bytes.indexOf(each.from, end);
    const [first] = next.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at);
    if (first === undefined) return end;
    first.to.copy(bytes, first.at);
    found(first.at);
    end = first.at + first.from.length;
  }
}
