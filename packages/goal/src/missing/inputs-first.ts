import type { StorePath } from "@drvkit/drv-parser";

/** A derivation that would be built, and its inputs, of which some would be built too. */
export interface ToBuild {
  readonly drvPath: StorePath;
  readonly inputs: readonly ToBuild[];
}

const [entered, left] = [1, 2] as const;

/** Depth first in byte order. @see Nix: src/libstore/misc.cc, `topoSortPaths`, reversed */
export function inputsFirst(derivations: readonly ToBuild[]): readonly StorePath[] {
  // Store paths are ASCII: the order of their characters is that of their bytes.
  const nodes = [...derivations].sort((a, b) => (a.drvPath < b.drvPath ? -1 : 1));
  const ranks = new Map(nodes.map((node, rank) => [node, rank]));
  const state = new Uint8Array(nodes.length);
  const sorted: StorePath[] = [];
  const stack = nodes.map((_, rank) => rank).reverse();
  for (let rank = stack.at(-1); rank !== undefined; rank = stack.at(-1)) {
    const node = nodes[rank] as ToBuild;
    if (state[rank] === 0) {
      state[rank] = entered;
      stack.push(...ranksOf(node.inputs, ranks, state));
      continue;
    }
    stack.pop();
    if (state[rank] === left) continue;
    state[rank] = left;
    sorted.push(node.drvPath);
  }
  return sorted;
}

/** Of those that would be built and were not entered yet, the last one first. */
function ranksOf(
  inputs: readonly ToBuild[],
  ranks: ReadonlyMap<ToBuild, number>,
  state: Uint8Array,
): readonly number[] {
  const found: number[] = [];
  for (const input of inputs) {
    const rank = ranks.get(input);
    if (rank !== undefined && state[rank] === 0) found.push(rank);
  }
  return found.sort((a, b) => b - a);
}
