import { type CancelFlag, type Cancellable, cancellable } from "./cancel.js";
import { type Outcome, SandboxError } from "./error.js";
import { loadAddon } from "./platform.js";

/** What a tree consists of and where in its archive each file's contents begin. Names are text here. */
export type TreeListing =
  | {
      readonly type: "regular";
      readonly sizeBytes: number;
      readonly executable: boolean;
      /** Byte of the archive at which the contents begin. */
      readonly narOffset: number;
    }
  | { readonly type: "symlink"; readonly target: string }
  | { readonly type: "directory"; readonly entries: ReadonlyMap<string, TreeListing> };

/** A node in the order of the archive. */
type OutlineNode = { readonly depth: number; readonly name: Uint8Array } & (
  | { readonly executable: boolean; readonly sizeBytes: number; readonly narOffset: number }
  | { readonly target: Uint8Array }
  | object
);

interface OutlineAddon {
  outlineTree(path: string, cancel: CancelFlag): Promise<Outcome<readonly OutlineNode[]>>;
}

/**
 * The listing of the archive of a tree, without reading any contents. It is what `listNar` of `@drvkit/nar` says of the archive, and
 * `printNarListing` prints it.
 *
 * @throws SandboxError as `hashTree`; `ERR_TREE_NOT_UTF8` for a name or target that is no text; the reason of the signal.
 * @see Nix: src/libstore/nar-accessor.cc, `listNar`
 */
export async function listTree(path: string, { signal }: Cancellable = {}): Promise<TreeListing> {
  const nodes = await cancellable(signal, (flag) => (loadAddon() as OutlineAddon).outlineTree(path, flag));
  // By depth, the directories that the node at hand is in; above all of them one that holds the top.
  const open: Map<string, TreeListing>[] = [new Map()];
  for (const node of nodes) {
    const entries = new Map<string, TreeListing>();
    open[node.depth]?.set(textOf(node.name, path), listingOf(node, entries, path));
    open[node.depth + 1] = entries;
  }
  const top = open[0]?.get("");
  if (top === undefined)
    throw new SandboxError({ code: "ERR_BUG", message: "bug: an outline without a top" });
  return top;
}

function listingOf(node: OutlineNode, entries: Map<string, TreeListing>, path: string): TreeListing {
  if ("target" in node) return { type: "symlink", target: textOf(node.target, path) };
  if (!("sizeBytes" in node)) return { type: "directory", entries };
  const { sizeBytes, executable, narOffset } = node;
  return { type: "regular", sizeBytes, executable, narOffset };
}

function textOf(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const message = `'${Buffer.from(bytes).toString()}' in '${path}' is not UTF-8`;
    throw new SandboxError({ code: "ERR_TREE_NOT_UTF8", message, path });
  }
}
