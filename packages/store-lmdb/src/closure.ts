import { compareText, type StorePath } from "@drvkit/drv-parser";
import { notValid, StoreError } from "./error.js";
import type { Snapshot } from "./query.js";

/** Which edges a closure follows. */
export interface ClosureOptions {
  /** `references` (default): what the starts need. `referrers`: what needs the starts. */
  readonly direction?: "references" | "referrers";
  /** From a derivation to its valid outputs; towards referrers, from an output to its valid derivers. */
  readonly includeOutputs?: boolean;
  /** From a path to its deriver if that is valid; towards referrers, from a derivation to its valid outputs. */
  readonly includeDerivers?: boolean;
}

/**
 * All paths reachable from `starts`, these included, in byte order.
 *
 * @throws `ERR_STORE_NOT_VALID` for a path that is not valid; towards referrers nothing is checked.
 * @see Nix: src/libstore/misc.cc, `Store::computeFSClosure`
 */
export function computeClosure(
  snapshot: Snapshot,
  starts: Iterable<StorePath>,
  options: ClosureOptions = {},
): readonly StorePath[] {
  const edges = options.direction === "referrers" ? referrerEdges : referenceEdges;
  const seen = new Set(starts);
  // A set is iterated in order of insertion, and what is added on the way is visited too.
  for (const path of seen) {
    for (const next of edges(snapshot, path, options)) seen.add(next);
  }
  return [...seen].sort(compareText);
}

function referenceEdges(snapshot: Snapshot, path: StorePath, options: ClosureOptions): StorePath[] {
  const references = snapshot.queryReferences(path);
  if (references === undefined) throw notValid(path);
  const edges = [...references];
  if (options.includeOutputs) edges.push(...snapshot.queryValidOutputs(path));
  if (options.includeDerivers) {
    const deriver = snapshot.queryDeriver(path);
    if (deriver !== undefined && snapshot.isValid(deriver)) edges.push(deriver);
  }
  return edges;
}

function referrerEdges(snapshot: Snapshot, path: StorePath, options: ClosureOptions): StorePath[] {
  const edges = [...snapshot.queryReferrers(path)];
  if (options.includeOutputs) edges.push(...snapshot.queryDerivers(path));
  if (options.includeDerivers) edges.push(...snapshot.queryValidOutputs(path));
  return edges;
}

/**
 * `paths` with every path before what it refers to. Edges to paths outside the set and to itself do not count; among
 * several orders it is always the same one.
 *
 * @throws `ERR_STORE_CYCLE` when there is no such order.
 * @see Nix: src/libutil/topo-sort.hh, `topoSort`
 */
export function sortTopologically(
  paths: Iterable<StorePath>,
  referencesOf: (path: StorePath) => Iterable<StorePath>,
): readonly StorePath[] {
  const members = new Set([...paths].sort(compareText));
  const state = new Map<StorePath, "open" | "done">();
  const order: StorePath[] = [];
  const childrenOf = (path: StorePath) =>
    [...referencesOf(path)]
      .filter((child) => child !== path && members.has(child))
      .sort(compareText)
      .values();

  // A stack of our own: a chain of references may be longer than the call stack.
  for (const start of members) {
    if (state.has(start)) continue;
    const stack = [{ path: start, children: childrenOf(start) }];
    state.set(start, "open");
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { value: child } = top.children.next();
      if (child === undefined) {
        state.set(top.path, "done");
        order.push(top.path);
        stack.pop();
      } else if (state.get(child) === "open") {
        throw cycle(child, top.path);
      } else if (!state.has(child)) {
        state.set(child, "open");
        stack.push({ path: child, children: childrenOf(child) });
      }
    }
  }
  return order.reverse();
}

function cycle(again: StorePath, from: StorePath): StoreError {
  return new StoreError("ERR_STORE_CYCLE", `cycle detected in the references of '${again}' from '${from}'`, {
    hint: "objects that refer to each other in a circle cannot be stored; move the shared files into one of them",
    path: again,
  });
}
