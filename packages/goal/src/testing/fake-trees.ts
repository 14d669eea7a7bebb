import {
  EngineError,
  type Hash,
  type HashAlgorithm,
  hashBytes,
  hashModuloSelf,
  replaceHashPart,
} from "@drvkit/drv-parser";
import type { UidRange } from "../ports/sandbox.js";
import type { ScanResult, TreeStat, TreesPort } from "../ports/trees.js";
import { compareFakeTrees } from "./fake-compare.js";
import {
  archiveOf,
  canonicalTree,
  type FakeNode,
  type FakeTree,
  modeOf,
  nodeOf,
  treeOf,
} from "./fake-tree.js";

/** File trees in memory, by the path of their top. Hashes are those of Nix. */
export class FakeTrees implements TreesPort {
  readonly #trees = new Map<string, FakeNode>();
  /** Paths of trees below each directory. */
  readonly #below = new Map<string, Set<string>>();
  /** What {@link freeBytes} answers. */
  free = 2 ** 40;
  /** Every change, in order: `move FROM TO`, `replace FROM TO`, `remove PATH`, `copy FROM TO`, `canonicalise PATH`. */
  readonly changes: string[] = [];

  /** Puts a tree in place, as a builder would. */
  put(path: string, tree: FakeTree): void {
    this.#set(path, nodeOf(tree));
  }

  /** The tree at `path`. */
  get(path: string): FakeNode | undefined {
    return this.#trees.get(path);
  }

  /** Paths of all trees. */
  paths(): readonly string[] {
    return [...this.#trees.keys()];
  }

  async stat(path: string): Promise<TreeStat | undefined> {
    const node = this.#trees.get(path);
    if (node === undefined) return undefined;
    const sizeBytes = node.type === "regular" ? node.content.length : 0;
    return { type: node.type, mode: modeOf(node), uid: uidOf(node), sizeBytes };
  }

  makeSeenInodes(): object {
    return {};
  }

  async canonicalise(path: string, { allowedUids }: { readonly allowedUids?: UidRange }): Promise<void> {
    this.changes.push(`canonicalise ${path}`);
    const node = this.#require(path);
    for (const each of everyNode(node)) {
      if (each.type === "other") throw treeError("ERR_TREE_TYPE", `file '${path}' has an unsupported type`);
      if (allowedUids !== undefined && !isIn(allowedUids, uidOf(each)))
        throw treeError("ERR_TREE_OWNERSHIP", `invalid ownership on file '${path}'`);
    }
    this.#set(path, canonicalTree(node));
  }

  async canonicaliseAndScan(
    path: string,
    hashParts: readonly string[],
    options: { readonly allowedUids?: UidRange },
  ): Promise<ScanResult> {
    await this.canonicalise(path, options);
    return this.scan(path, hashParts);
  }

  /** NAR hash of a tree and the hash parts found in it. */
  scan(path: string, hashParts: readonly string[]): ScanResult {
    const archive = archiveOf(this.#require(path));
    const text = new TextDecoder("latin1").decode(archive);
    return {
      narHash: hashBytes("sha256", archive).digest,
      narSizeBytes: archive.length,
      found: hashParts.filter((part) => text.includes(part)),
    };
  }

  async hash(path: string, method: "flat" | "nar", algorithm: HashAlgorithm): Promise<Hash> {
    const node = this.#require(path);
    if (method === "nar") return hashBytes(algorithm, archiveOf(node));
    if (node.type === "regular") return hashBytes(algorithm, node.content);
    throw treeError("ERR_TREE_TYPE", `'${path}' is not a regular file`);
  }

  async rewrite(source: string, target: string, rewrites: ReadonlyMap<string, string>): Promise<void> {
    this.changes.push(`rewrite ${source} ${target}`);
    this.#requireFree(target);
    const before = archiveOf(this.#require(source));
    const after = [...rewrites].reduce((bytes, [from, to]) => replaceHashPart(bytes, from, to), before);
    this.#set(target, treeOf(after));
  }

  async hashModulo(path: string, hashPart: string): Promise<Uint8Array> {
    return hashModuloSelf("sha256", archiveOf(this.#require(path)), hashPart).hash.digest;
  }

  async compare(one: string, other: string, { limit }: { readonly limit: number }) {
    const all = [...compareFakeTrees(this.#require(one), this.#require(other))];
    return { differences: all.slice(0, limit), count: all.length };
  }

  async copy(source: string, target: string): Promise<void> {
    this.changes.push(`copy ${source} ${target}`);
    this.#requireFree(target);
    this.#set(target, canonicalTree(this.#require(source)));
  }

  async move(from: string, to: string): Promise<void> {
    this.changes.push(`move ${from} ${to}`);
    this.#requireFree(to);
    this.#set(to, this.#require(from));
    this.#delete(from);
  }

  async replace(from: string, to: string): Promise<void> {
    this.changes.push(`replace ${from} ${to}`);
    const before = this.#trees.get(to);
    this.#set(to, this.#require(from));
    if (before === undefined) this.#delete(from);
    else this.#set(from, before);
  }

  async remove(path: string): Promise<void> {
    for (const each of [path, ...(this.#below.get(path) ?? [])]) {
      if (!this.#trees.has(each)) continue;
      this.changes.push(`remove ${each}`);
      this.#delete(each);
    }
  }

  async freeBytes(): Promise<number> {
    return this.free;
  }

  #set(path: string, node: FakeNode): void {
    this.#trees.set(path, node);
    for (const directory of directoriesOf(path)) {
      const below = this.#below.get(directory) ?? new Set();
      this.#below.set(directory, below.add(path));
    }
  }

  #delete(path: string): void {
    this.#trees.delete(path);
    for (const directory of directoriesOf(path)) {
      const below = this.#below.get(directory);
      below?.delete(path);
      if (below?.size === 0) this.#below.delete(directory);
    }
  }

  #require(path: string): FakeNode {
    const node = this.#trees.get(path);
    if (node === undefined) throw treeError("ERR_TREE_IO", `no such file: '${path}'`);
    return node;
  }

  #requireFree(path: string): void {
    if (this.#trees.has(path)) throw treeError("ERR_TREE_EXISTS", `'${path}' exists`);
  }
}

function directoriesOf(path: string): readonly string[] {
  const parts = path.split("/");
  return parts.slice(2).map((_, index) => parts.slice(0, index + 2).join("/"));
}

function uidOf(node: FakeNode): number {
  return "uid" in node ? (node.uid ?? 0) : 0;
}

function* everyNode(node: FakeNode): Generator<FakeNode> {
  yield node;
  if (node.type === "directory")
    for (const entry of Object.values(node.entries)) yield* everyNode(nodeOf(entry));
}

function treeError(code: string, message: string): EngineError {
  return new EngineError(code, message);
}

function isIn({ first, count }: UidRange, uid: number): boolean {
  return uid >= first && uid < first + count;
}
