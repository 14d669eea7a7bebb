import type { OutputName, StorePath } from "@drvkit/drv-parser";
import { OutputError } from "./error.js";

/**
 * Outputs with those they refer to first. Self references do not count.
 *
 * @throws {@link OutputError} for a cycle.
 * @see Nix: src/libutil/topo-sort.hh, `topoSort`
 */
export function orderOutputs(
  drvPath: StorePath,
  references: ReadonlyMap<OutputName, ReadonlySet<OutputName>>,
): readonly OutputName[] {
  const order: OutputName[] = [];
  const state = new Map<OutputName, "open" | "done">();
  const visit = (name: OutputName, from: OutputName | undefined): void => {
    if (state.get(name) === "done") return;
    if (state.get(name) === "open")
      throw new OutputError(
        "outputRejected",
        `cycle detected in build of '${drvPath}' in the references of output '${name}' from output '${from ?? name}'`,
        { hint: "move what both outputs need into one of them" },
      );
    state.set(name, "open");
    for (const other of [...(references.get(name) ?? [])].sort()) if (other !== name) visit(other, name);
    state.set(name, "done");
    order.push(name);
  };
  for (const name of [...references.keys()].sort()) visit(name, undefined);
  return order;
}
