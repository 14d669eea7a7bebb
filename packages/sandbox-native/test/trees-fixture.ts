import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterEach } from "vitest";
import { removeTree } from "../ts/trees.js";

/** A file tree as `nar.json` describes it. */
export type TreeNode =
  | {
      readonly type: "regular";
      readonly executable: boolean;
      readonly size: number;
      readonly contentsBase64?: string;
      /** In the place of large contents, which `largeContents` knows. */
      readonly contentsSha256?: string;
    }
  | { readonly type: "symlink"; readonly targetBase64: string }
  | {
      readonly type: "directory";
      readonly entries: readonly { readonly nameBase64: string; readonly node: TreeNode }[];
    };

export interface NarVector {
  readonly name: string;
  readonly tree: TreeNode;
  readonly narSize: number;
  readonly narSha256Hex: string;
  readonly narBase64?: string;
}

const vectorsFile = fileURLToPath(new URL("../../../../shared/vectors/nar.json", import.meta.url));

interface NarVectors {
  readonly valid: readonly NarVector[];
  readonly listings: readonly { readonly name: string; readonly lsFile: string }[];
  readonly malformed: readonly {
    readonly name: string;
    readonly narBase64: string;
  }[];
}

/** The archives of the specification; none where it is not checked out beside the repository. */
export const {
  valid: narVectors,
  listings: narListings,
  malformed: narMalformed,
}: NarVectors = existsSync(vectorsFile)
  ? (JSON.parse(readFileSync(vectorsFile, "utf8")) as NarVectors)
  : { valid: [], listings: [], malformed: [] };

const made: string[] = [];

/** A directory of the running test. */
export function tempDir(): string {
  const path = mkdtempSync(`${tmpdir()}/drvkit-trees-`);
  made.push(path);
  return path;
}

afterEach(async () => {
  for (const path of made.splice(0)) await removeTree(path);
});

/** Puts a described tree on disk. */
export function restore(node: TreeNode, path: Buffer): void {
  switch (node.type) {
    case "regular": {
      writeFileSync(path, contentsOf(node));
      chmodSync(path, node.executable ? 0o755 : 0o644);
      return;
    }
    case "symlink":
      symlinkSync(Buffer.from(node.targetBase64, "base64"), path);
      return;
    case "directory": {
      mkdirSync(path);
      for (const entry of node.entries) {
        restore(entry.node, Buffer.concat([path, Buffer.from("/"), Buffer.from(entry.nameBase64, "base64")]));
      }
    }
  }
}

const counting = (size: number) =>
  Buffer.alloc(size, Buffer.from(Array.from({ length: 256 }, (_, at) => at)));

/** By size: each `contentsRule` of the vectors, spelled out. */
const largeContents: Readonly<Record<number, () => Buffer>> = {
  65535: () => counting(65535),
  65536: () => counting(65536),
  65537: () => Buffer.concat([counting(65536), Buffer.from([0x21])]),
  1048579: () => Buffer.concat([Buffer.alloc(1048576), Buffer.from("abc")]),
};

function contentsOf(node: TreeNode & { type: "regular" }): Buffer {
  if (node.contentsBase64 !== undefined) return Buffer.from(node.contentsBase64, "base64");
  const bytes = largeContents[node.size]?.() ?? Buffer.alloc(0);
  if (createHash("sha256").update(bytes).digest("hex") !== node.contentsSha256) {
    throw new Error(`no rule makes the contents of ${node.size} bytes`);
  }
  return bytes;
}

/** The archive of a described tree, straight from the grammar. */
export function archiveOf(node: TreeNode): Buffer {
  const string = (bytes: string | Buffer): Buffer => {
    const text = Buffer.from(bytes);
    const padded = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8);
    padded.writeBigUInt64LE(BigInt(text.length));
    text.copy(padded, 8);
    return padded;
  };
  const strings = (...all: readonly (string | Buffer)[]) => Buffer.concat(all.map(string));
  const body = (node: TreeNode): Buffer => {
    switch (node.type) {
      case "regular": {
        const executable = node.executable ? ["executable", ""] : [];
        return strings("(", "type", "regular", ...executable, "contents", contentsOf(node), ")");
      }
      case "symlink":
        return strings("(", "type", "symlink", "target", Buffer.from(node.targetBase64, "base64"), ")");
      case "directory": {
        const named = node.entries.map(({ nameBase64, node }) => ({
          name: Buffer.from(nameBase64, "base64"),
          node,
        }));
        const entries = named
          .sort((a, b) => Buffer.compare(a.name, b.name))
          .flatMap(({ name, node }) => [
            strings("entry", "(", "name", name, "node"),
            body(node),
            strings(")"),
          ]);
        return Buffer.concat([strings("(", "type", "directory"), ...entries, strings(")")]);
      }
    }
  };
  return Buffer.concat([strings("nix-archive-1"), body(node)]);
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

/** Bytes that may be a name or a link's target: neither NUL nor slash, nor a name that every directory has. */
const nameBytes = (maxLength: number) =>
  fc
    .uint8Array({ minLength: 1, maxLength })
    .filter(
      (bytes) =>
        !bytes.some((byte) => byte === 0 || byte === 0x2f) && ![".", ".."].includes(`${Buffer.from(bytes)}`),
    )
    .map(base64);

/** Any tree that can be put on disk. */
export const treeArbitrary: fc.Arbitrary<TreeNode> = fc.letrec<{ node: TreeNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc
      .record({ executable: fc.boolean(), contents: fc.uint8Array({ maxLength: 40 }) })
      .map(({ executable, contents }): TreeNode => {
        return { type: "regular", executable, size: contents.length, contentsBase64: base64(contents) };
      }),
    nameBytes(40).map((targetBase64): TreeNode => ({ type: "symlink", targetBase64 })),
    fc
      .uniqueArray(fc.record({ nameBase64: nameBytes(20), node: tie("node") }), {
        maxLength: 6,
        selector: ({ nameBase64 }) => nameBase64,
      })
      .map((entries): TreeNode => ({ type: "directory", entries })),
  ),
})).node;

/** All of a stream. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
