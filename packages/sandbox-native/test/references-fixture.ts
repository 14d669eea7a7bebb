import * as fc from "fast-check";
import type { TreeNode } from "./trees-fixture.js";

/**
 * Hash parts that can overlap: the second begins with the end of the first, the third begins and ends alike, and each
 * text of the fourth that is long enough has it at every place.
 */
export const hashParts = [
  "0c41yb451zzhqk2wv8x9f7mdpajn6i3r",
  "6i3r5sgl8bvh92xqyv0d4ncfmkz7w1pj",
  "7gm3cfq0x1la9w8vphkz5dsjry2n7gm3",
  "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
] as const;

/** Some of the parts by what stands for them; that of the first has the second at its end as far as it fits. */
export const rewrites: ReadonlyMap<string, string> = new Map([
  [hashParts[0], "1d52ydca562a3f8gvb0hlpq96i3r5sgl"],
  [hashParts[1], "zx0z9y8w7v6s5r4q3p2n1m0lkjihgfdc"],
  [hashParts[3], "0".repeat(32)],
]);

/** Where one place could be the one part or the other, or would be one once the other was replaced. */
const overlaps = [
  hashParts[0] + hashParts[1].slice(4),
  hashParts[0] + hashParts[1].slice(8),
  hashParts[2] + hashParts[2].slice(4),
];

const outside = "eotu-. \n";

/** Text with whole parts, parts of parts, parts with a wrong character, and what their characters are among. */
const texts: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...hashParts, ...overlaps) },
      fc.tuple(fc.constantFrom(...hashParts), fc.nat({ max: 32 })).map(([part, end]) => part.slice(0, end)),
      fc.tuple(fc.constantFrom(...hashParts), fc.nat({ max: 32 })).map(([part, start]) => part.slice(start)),
      fc
        .tuple(fc.constantFrom(...hashParts), fc.nat({ max: 31 }))
        .map(([part, at]) => `${part.slice(0, at)}e${part.slice(at + 1)}`),
      fc.string({ unit: fc.constantFrom(...outside, "k", "0"), maxLength: 12 }),
      fc.nat({ max: 70 }).map((length) => "k".repeat(length)),
    ),
    { maxLength: 6 },
  )
  .map((all) => all.join(""));

const file = (contents: Buffer, executable = false): TreeNode => ({
  type: "regular",
  executable,
  size: contents.length,
  contentsBase64: contents.toString("base64"),
});

const files = fc
  .tuple(texts, fc.uint8Array({ maxLength: 9 }), fc.boolean())
  .map(([text, bytes, executable]) => file(Buffer.concat([Buffer.from(text), bytes]), executable));

const base64 = (text: string) => Buffer.from(text).toString("base64");

const links = texts
  .filter((text) => text !== "")
  .map((text): TreeNode => ({ type: "symlink", targetBase64: base64(text) }));

const names = texts
  .map((text) => text.slice(0, 255))
  .filter((text) => !["", ".", ".."].includes(text))
  .map(base64);

const directoryOf = (node: fc.Arbitrary<TreeNode>) =>
  fc
    .uniqueArray(fc.record({ nameBase64: names, node }), {
      maxLength: 5,
      selector: ({ nameBase64 }) => nameBase64,
    })
    .map((entries): TreeNode => ({ type: "directory", entries }));

/** What can refer to something only by what is around it. */
export const emptyTrees: fc.Arbitrary<TreeNode> = fc.constantFrom<TreeNode>(file(Buffer.alloc(0)), {
  type: "directory",
  entries: [],
});

/** Trees with references in names, targets and contents. */
export const treeWithReferences: fc.Arbitrary<TreeNode> = fc.letrec<{ node: TreeNode }>((tie) => ({
  node: fc.oneof({ maxDepth: 3, depthSize: "small" }, files, links, directoryOf(tie("node"))),
})).node;

/** Trees are read in pieces of this size: `CHUNK_BYTES` of `trees/src/hash.rs` and of `src/trees_api.rs`. */
const pieceBytes = 256 * 1024;

/** What an archive has before the contents: of a file alone, of the only file of a directory with a short name, of none. */
const before = fc.constantFrom(96, 232, 0);

/** A file with texts at the borders of the pieces that it, or the archive that it is in, is read in. */
const largeFiles = fc
  .record({
    filler: fc.constantFrom("e", "k", "0", "\0"),
    sizeBytes: fc.oneof(
      fc.integer({ min: pieceBytes - 600, max: pieceBytes + 100 }),
      fc.integer({ min: 2 * pieceBytes - 600, max: 2 * pieceBytes + 100 }),
      fc.constant(3 * pieceBytes),
    ),
    spots: fc.array(
      fc.record({
        border: fc.integer({ min: 1, max: 2 }),
        before,
        back: fc.integer({ min: -8, max: 72 }),
        text: texts,
      }),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map((recipe) => {
    const { filler, sizeBytes, spots } = recipe;
    const contents = Buffer.alloc(sizeBytes, filler);
    for (const { border, before, back, text } of spots)
      contents.write(text, Math.min(border * pieceBytes - before - back, sizeBytes));
    return { ...file(contents), [fc.toStringMethod]: () => fc.stringify(recipe) };
  });

/** Trees that do not fit into one piece: a border is in a large file, or in the names and targets after it. */
export const largeTree: fc.Arbitrary<TreeNode> = fc.oneof(
  largeFiles,
  fc.tuple(largeFiles, directoryOf(fc.oneof(files, links))).map(([large, rest]): TreeNode => {
    const entries = rest.type === "directory" ? rest.entries : [];
    return { type: "directory", entries: [{ nameBase64: base64("!"), node: large }, ...entries] };
  }),
);

/** What a search from the beginning makes of bytes: what it put in a place is not looked at again. */
export function replaceNaively(
  bytes: Buffer,
  replacements: ReadonlyMap<string, string>,
): { readonly bytes: Buffer; readonly offsets: readonly number[] } {
  const result = Buffer.from(bytes);
  const offsets: number[] = [];
  const text = bytes.toString("latin1");
  const search = new RegExp([...replacements.keys()].join("|"), "gu");
  for (const { 0: part, index } of text.matchAll(search)) {
    result.write(replacements.get(part) ?? part, index, "latin1");
    offsets.push(index);
  }
  return { bytes: result, offsets };
}

/** The same of each string of a tree. */
export function rewritten(node: TreeNode): TreeNode {
  switch (node.type) {
    case "regular":
      return node.contentsBase64 === undefined
        ? node
        : { ...node, contentsBase64: rewrittenString(node.contentsBase64) };
    case "symlink":
      return { ...node, targetBase64: rewrittenString(node.targetBase64) };
    case "directory":
      return {
        ...node,
        entries: [...node.entries]
          .sort((a, b) => Buffer.compare(bytesOf(a.nameBase64), bytesOf(b.nameBase64)))
          .map((entry) => ({ nameBase64: rewrittenString(entry.nameBase64), node: rewritten(entry.node) })),
      };
  }
}

function rewrittenString(text: string): string {
  return replaceNaively(bytesOf(text), rewrites).bytes.toString("base64");
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "base64");
}

/** Whether the names of each directory ascend. */
export function namesInOrder(node: TreeNode): boolean {
  if (node.type !== "directory") return true;
  const names = node.entries.map(({ nameBase64 }) => bytesOf(nameBase64));
  const ascend = names.every((name, at) => at === 0 || Buffer.compare(names[at - 1] as Buffer, name) < 0);
  return ascend && node.entries.every((entry) => namesInOrder(entry.node));
}
