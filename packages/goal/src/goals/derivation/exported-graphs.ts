import { type ExportedGraph, isDerivationPath, outputPathsOf, type StorePath } from "@drvkit/drv-parser";
import { GoalError, invariant } from "../../error.js";
import type { Graph } from "../../plan/references-graph.js";
import type { StorePort } from "../../ports/store.js";

/**
 * The closures that `exportReferencesGraph` asks for; of a derivation among them also what it makes.
 *
 * @throws {@link GoalError} `ERR_BUILD_REJECTED` for a path that is no input.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `exportReferences`
 */
export async function exportedGraphs(
  wanted: readonly ExportedGraph[],
  inputs: ReadonlySet<StorePath>,
  store: StorePort,
): Promise<ReadonlyMap<string, Graph>> {
  const graphs = new Map<string, Graph>();
  for (const { name, paths } of wanted) {
    for (const path of paths)
      if (!inputs.has(path))
        throw new GoalError(
          "ERR_BUILD_REJECTED",
          `cannot export references of path '${path}' because it is not in the input closure of the derivation`,
        );
    graphs.set(name, await readGraph(paths, store));
  }
  return graphs;
}

async function readGraph(paths: readonly StorePath[], store: StorePort): Promise<Graph> {
  const closure = await store.queryClosure(paths);
  const outputs: StorePath[] = [];
  for (const path of closure) if (isDerivationPath(path)) outputs.push(...(await outputsOf(path, store)));
  const members = outputs.length === 0 ? closure : await store.queryClosure([...closure, ...outputs]);
  return Promise.all(
    members.map(async (path) => {
      const info = await store.queryPathInfo(path);
      invariant(info !== undefined, `'${path}' of a closure is not valid`);
      return info;
    }),
  );
}

async function outputsOf(drvPath: StorePath, store: StorePort): Promise<readonly StorePath[]> {
  return [...outputPathsOf(await store.readDerivation(drvPath)).values()].map((path) => {
    if (path !== undefined) return path;
    throw new GoalError("ERR_GOAL_FEATURE", "exportReferences on CA derivations is not yet implemented");
  });
}
