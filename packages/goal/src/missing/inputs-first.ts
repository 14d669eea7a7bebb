import { compareText, type StorePath } from "@drvkit/drv-parser";

/** Depth first in byte order. @see Nix: src/libstore/misc.cc, `topoSortPaths`, reversed */
export function inputsFirst(inputs: ReadonlyMap<StorePath, readonly StorePath[]>): readonly StorePath[] {
  const sorted = new Set<StorePath>();
  const entered = new Set<StorePath>();
  const stack = [...inputs.keys()].sort(compareText).reverse();
  for (let path = stack.at(-1); path !== undefined; path = stack.at(-1)) {
    if (entered.has(path)) {
      stack.pop();
      sorted.add(path);
      continue;
    }
    entered.add(path);
    const before = (inputs.get(path) ?? []).filter((input) => inputs.has(input) && !entered.has(input));
    stack.push(...before.sort(compareText).reverse());
  }
  return [...sorted];
}
