import { compareText } from "../bytes/text.js";
import type { Derivation } from "../derivation/derivation.js";
import { namePartOf, type StorePath } from "../store-path/store-path.js";

/** Two paths that correspond to one another. */
export interface Pair {
  readonly a: StorePath;
  readonly b: StorePath;
}

/** What of the inputs of two derivations corresponds, and what only one of them has. */
export interface Matches {
  readonly inputs: readonly Pair[];
  readonly sources: readonly Pair[];
  readonly onlyA: { readonly inputs: readonly StorePath[]; readonly sources: readonly StorePath[] };
  readonly onlyB: { readonly inputs: readonly StorePath[]; readonly sources: readonly StorePath[] };
}

/** Inputs correspond when they are the same or have the same name. */
export function matchInputs(a: Derivation, b: Derivation): Matches {
  const inputs = matchPaths([...a.inputDrvs.keys()], [...b.inputDrvs.keys()]);
  const sources = matchPaths([...a.inputSrcs], [...b.inputSrcs]);
  return {
    inputs: inputs.pairs,
    sources: sources.pairs,
    onlyA: { inputs: inputs.onlyA, sources: sources.onlyA },
    onlyB: { inputs: inputs.onlyB, sources: sources.onlyB },
  };
}

/** The same paths first; of the others those with one name, in the order of their paths. */
function matchPaths(
  a: readonly StorePath[],
  b: readonly StorePath[],
): {
  readonly pairs: readonly Pair[];
  readonly onlyA: readonly StorePath[];
  readonly onlyB: readonly StorePath[];
} {
  const inB = new Set(b);
  const same = a.filter((path) => inB.has(path));
  const inBoth = new Set(same);
  const left = a.filter((path) => !inBoth.has(path)).sort(compareText);
  const byName = new Map<string, StorePath[]>();
  for (const path of b.filter((each) => !inBoth.has(each)).sort(compareText)) {
    const others = byName.get(namePartOf(path));
    if (others === undefined) byName.set(namePartOf(path), [path]);
    else others.push(path);
  }
  const pairs: Pair[] = same.map((path) => ({ a: path, b: path }));
  const onlyA: StorePath[] = [];
  for (const path of left) {
    const other = byName.get(namePartOf(path))?.shift();
    if (other === undefined) onlyA.push(path);
    else pairs.push({ a: path, b: other });
  }
  return { pairs, onlyA, onlyB: [...byName.values()].flat() };
}
