import { bytesOf, compareText, concatBytes } from "@drvkit/drv-parser";

/** A file tree as a value. A string is a regular file of that text. */
export type FakeTree =
  | string
  | {
      readonly type: "regular";
      readonly content: Uint8Array;
      readonly executable?: boolean;
      readonly mode?: number;
      readonly uid?: number;
    }
  | {
      readonly type: "directory";
      readonly entries: Readonly<Record<string, FakeTree>>;
      readonly mode?: number;
      readonly uid?: number;
    }
  | { readonly type: "symlink"; readonly target: string; readonly uid?: number }
  | { readonly type: "other" };

export type FakeNode = Exclude<FakeTree, string>;

export function nodeOf(tree: FakeTree): FakeNode {
  return typeof tree === "string" ? { type: "regular", content: bytesOf(tree) } : tree;
}

/** The tree as the store keeps it: nothing left of owners and modes but the executable bit. */
export function canonicalTree(tree: FakeTree): FakeNode {
  const node = nodeOf(tree);
  switch (node.type) {
    case "regular":
      return { type: "regular", content: node.content, executable: isExecutable(node) };
    case "directory": {
      const entries = Object.entries(node.entries).map(([name, entry]) => [name, canonicalTree(entry)]);
      return { type: "directory", entries: Object.fromEntries(entries) };
    }
    case "symlink":
      return { type: "symlink", target: node.target };
    case "other":
      return node;
  }
}

/** Whether its owner may execute a regular file. */
export function isExecutable(node: Extract<FakeNode, { readonly type: "regular" }>): boolean {
  return node.mode === undefined ? node.executable === true : (node.mode & 0o100) !== 0;
}

/** Permission bits of a node that a builder left. */
export function modeOf(node: FakeNode): number {
  if ("mode" in node && node.mode !== undefined) return node.mode;
  if (node.type === "symlink") return 0o777;
  return node.type === "directory" || (node.type === "regular" && isExecutable(node)) ? 0o555 : 0o444;
}

/** The archive of a tree, as Nix hashes it. */
export function archiveOf(tree: FakeTree): Uint8Array {
  const parts: Uint8Array[] = [];
  const write = (...words: (string | Uint8Array)[]) => {
    for (const word of words) parts.push(...framed(typeof word === "string" ? bytesOf(word) : word));
  };
  const node = (each: FakeNode): void => {
    write("(", "type", each.type === "other" ? "regular" : each.type);
    if (each.type === "regular") {
      if (isExecutable(each)) write("executable", "");
      write("contents", each.content);
    }
    if (each.type === "symlink") write("target", each.target);
    if (each.type === "directory")
      for (const [name, entry] of Object.entries(each.entries).sort(([a], [b]) => compareText(a, b))) {
        write("entry", "(", "name", name, "node");
        node(nodeOf(entry));
        write(")");
      }
    write(")");
  };
  write("nix-archive-1");
  node(nodeOf(tree));
  return concatBytes(parts);
}

/** The tree behind an archive that {@link archiveOf} made; an error for other bytes. */
export function treeOf(archive: Uint8Array): FakeNode {
  let at = 0;
  const bytes = (): Uint8Array => {
    if (at + 8 > archive.length) throw new Error("bad archive: unexpected end-of-file");
    const { buffer, byteOffset } = archive;
    const length = Number(new DataView(buffer, byteOffset + at, 8).getBigUint64(0, true));
    if (at + 8 + length > archive.length) throw new Error("bad archive: unexpected end-of-file");
    const content = archive.slice(at + 8, at + 8 + length);
    at += 8 + length + ((8 - (length % 8)) % 8);
    return content;
  };
  const word = () => new TextDecoder().decode(bytes());
  const take = (...words: readonly string[]) => {
    for (const each of words)
      if (word() !== each) throw new Error(`bad archive: expected '${each}' before offset ${at}`);
  };
  const node = (): FakeNode => {
    take("(", "type");
    const type = word();
    if (type === "symlink") {
      take("target");
      const target = word();
      take(")");
      return { type, target };
    }
    if (type === "regular") {
      const executable = word() === "executable";
      if (executable) take("", "contents");
      const content = bytes();
      take(")");
      return { type, content, executable };
    }
    const entries: Record<string, FakeNode> = {};
    while (word() === "entry") {
      take("(", "name");
      const name = word();
      take("node");
      entries[name] = node();
      take(")");
    }
    return { type: "directory", entries };
  };
  take("nix-archive-1");
  return node();
}

/** Length as eight bytes, content, zeros up to a multiple of eight. */
function framed(content: Uint8Array): readonly Uint8Array[] {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(content.length), true);
  return [length, content, new Uint8Array((8 - (content.length % 8)) % 8)];
}
