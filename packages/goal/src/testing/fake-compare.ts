import { bytesOf, compareText } from "@drvkit/drv-parser";
import type { TreeDifference } from "../ports/trees.js";
import { type FakeNode, isExecutable, nodeOf } from "./fake-tree.js";

/** What differs between two trees, in the order of archives. */
export function* compareFakeTrees(one: FakeNode, other: FakeNode, below = ""): Generator<TreeDifference> {
  const path = bytesOf(below);
  if (one.type === "directory" && other.type === "directory") {
    const names = new Set([...Object.keys(one.entries), ...Object.keys(other.entries)]);
    for (const name of [...names].sort(compareText)) {
      const file = below === "" ? name : `${below}/${name}`;
      const [inOne, inOther] = [one.entries[name], other.entries[name]];
      if (inOne !== undefined && inOther !== undefined)
        yield* compareFakeTrees(nodeOf(inOne), nodeOf(inOther), file);
      else yield { path: bytesOf(file), kind: "only", onlyIn: inOne === undefined ? "other" : "one" };
    }
  } else if (one.type === "regular" && other.type === "regular") {
    const contents = compareContents(one.content, other.content);
    if (contents !== undefined) yield { path, ...contents };
    if (isExecutable(one) !== isExecutable(other))
      yield { path, kind: "executable", onlyIn: isExecutable(one) ? "one" : "other" };
  } else if (one.type === "symlink" && other.type === "symlink") {
    if (one.target !== other.target)
      yield { path, kind: "target", one: bytesOf(one.target), other: bytesOf(other.target) };
  } else if (one.type !== other.type) yield { path, kind: "type", one: one.type, other: other.type };
}

function compareContents(one: Uint8Array, other: Uint8Array) {
  const [length, longest] = [Math.min(one.length, other.length), Math.max(one.length, other.length)];
  let offset = 0;
  while (offset < length && one[offset] === other[offset]) offset += 1;
  if (offset === longest) return undefined;
  const aroundOffset = Math.max(0, offset - 512);
  const around = (bytes: Uint8Array) => bytes.slice(aroundOffset, offset + 512);
  return {
    kind: "contents",
    oneSizeBytes: one.length,
    otherSizeBytes: other.length,
    offset,
    aroundOffset,
    one: around(one),
    other: around(other),
    sameLines: one.length === other.length && sortedLines(one) === sortedLines(other),
  } as const;
}

function sortedLines(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1").split("\n").sort().join("\n");
}
