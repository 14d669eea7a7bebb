import fc, { type Arbitrary } from "fast-check";
import { bytesOf, compareBytes } from "../src/bytes.js";
import type { NarTree } from "../src/index.js";

/** Names with many that are near to one another, and bytes that are no text. */
const name: Arbitrary<Uint8Array> = fc
  .oneof(
    fc.constantFrom("a", "b", "a-b", "ab", "a.b", "...", "größe", "~nix~case~hack~1").map(bytesOf),
    fc.uint8Array({ minLength: 1, maxLength: 20 }),
    fc.uint8Array({ minLength: 255, maxLength: 255 }),
  )
  .filter(
    (bytes) =>
      !bytes.includes(0) && !bytes.includes(0x2f) && !/^\.{1,2}$/u.test(String.fromCharCode(...bytes)),
  );

const target: Arbitrary<Uint8Array> = fc
  .uint8Array({ minLength: 1, maxLength: 30 })
  .filter((bytes) => !bytes.includes(0));

const leaf: Arbitrary<NarTree> = fc.oneof(
  fc.record({
    type: fc.constant("regular" as const),
    executable: fc.boolean(),
    contents: fc.uint8Array({ maxLength: 40 }),
  }),
  fc.record({ type: fc.constant("symlink" as const), target }),
  fc.constant<NarTree>({ type: "directory", entries: [] }),
);

/** Any tree, entries in order. */
export const tree: Arbitrary<NarTree> = fc.letrec<{ tree: NarTree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc
      .uniqueArray(fc.record({ name, node: tie("tree") }), {
        maxLength: 5,
        comparator: (a, b) => compareBytes(a.name, b.name) === 0,
      })
      .map((entries) => ({
        type: "directory" as const,
        entries: [...entries].sort((a, b) => compareBytes(a.name, b.name)),
      })),
  ),
})).tree;

/** Bytes that were an archive before something happened to them. */
export function damaged(archive: Arbitrary<Uint8Array>): Arbitrary<Uint8Array> {
  return fc
    .tuple(
      archive,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), fc.uint8Array({ maxLength: 9 })), { maxLength: 4 }),
    )
    .map(([bytes, changes]) => changes.reduce(change, bytes));
}

/** Overwrites, inserts, removes, or repeats what lies a few strings back. */
function change(bytes: Uint8Array, [place, kind, data]: readonly [number, number, Uint8Array]): Uint8Array {
  const at = bytes.length === 0 ? 0 : place % bytes.length;
  const aligned = at - (at % 8);
  const [head, tail] = [
    bytes.subarray(0, kind === 3 ? aligned : at),
    bytes.subarray(kind === 3 ? aligned : at),
  ];
  switch (kind) {
    case 0:
      return join(head, data, tail.subarray(data.length));
    case 1:
      return join(head, data, tail);
    case 2:
      return join(head, tail.subarray(data.length));
    default:
      return join(head, head.subarray(-8 * (data.length + 1)), tail);
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
