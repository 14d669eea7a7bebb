import {
  type Derivation,
  type DynamicInput,
  isDerivationPath,
  type OutputName,
  type StorePath,
} from "@drvkit/drv-parser";
import { GoalError, invariant } from "../../error.js";
import type { BuildFailure, BuildResult } from "../../result/build-result.js";
import { isSuccess } from "../../result/exit-status.js";
import type { GoalContext, InputRequest } from "../../worker/context.js";

/** Paths of outputs, by the derivation that makes them. */
export type InputOutputs = ReadonlyMap<StorePath, ReadonlyMap<OutputName, StorePath>>;

/** The outputs asked for here; the goals may have been asked for more by others. All of them succeeded. */
export function outputsOf(
  requests: readonly InputRequest[],
  results: readonly (BuildResult | undefined)[],
  drvPath: StorePath,
): InputOutputs {
  return new Map(
    requests.map((request, index) => [request.drvPath, named(request, results[index], drvPath)]),
  );
}

function named(
  { drvPath: input, outputs }: InputRequest,
  result: BuildResult | undefined,
  drvPath: StorePath,
): ReadonlyMap<OutputName, StorePath> {
  invariant(result !== undefined && isSuccess(result), `input '${input}' of '${drvPath}' has no result`);
  const pathOf = (name: OutputName) => {
    const path = result.outputs.get(name);
    if (path !== undefined) return [name, path] as const;
    throw new GoalError(
      "ERR_GOAL_UNKNOWN_OUTPUT",
      `derivation '${drvPath}' requires non-existent output '${name}' from input derivation '${input}'`,
    );
  };
  return new Map(outputs === "all" ? [] : [...outputs].map(pathOf));
}

/**
 * Outputs of outputs: derivations that are made by the inputs are built as well, level by level. What is known of them
 * is added to `known`; failures end it.
 */
export async function realiseNested(
  drv: Derivation,
  known: InputOutputs,
  cx: GoalContext,
): Promise<InputOutputs | readonly BuildFailure[]> {
  const all = new Map(known);
  let level = [...(drv.dynamicInputs ?? [])].flatMap(([drvPath, nodes]) => below(drvPath, nodes, all));
  while (level.length > 0) {
    const requests = requestsOf(level, cx);
    const { derivations } = await cx.waitFor({
      derivations: requests,
      mode: cx.mode === "repair" ? "repair" : "normal",
    });
    const failed = derivations.filter((result) => result !== undefined && !isSuccess(result));
    if (failed.length > 0) return failed as readonly BuildFailure[];
    for (const [drvPath, outputs] of outputsOf(requests, derivations, cx.drvPath))
      all.set(drvPath, new Map([...(all.get(drvPath) ?? []), ...outputs]));
    level = level.flatMap(({ drvPath, node }) => below(drvPath, node.dynamicOutputs, all));
  }
  return all;
}

interface Nested {
  readonly drvPath: StorePath;
  readonly node: DynamicInput;
}

function below(
  drvPath: StorePath,
  nodes: ReadonlyMap<OutputName, DynamicInput>,
  known: InputOutputs,
): readonly Nested[] {
  return [...nodes].map(([name, node]) => {
    const path = known.get(drvPath)?.get(name);
    invariant(path !== undefined, `output '${name}' of '${drvPath}' has no path`);
    return { drvPath: path, node };
  });
}

/** One for each derivation: two ways may lead to it. */
function requestsOf(level: readonly Nested[], { drvPath }: GoalContext): readonly InputRequest[] {
  const wanted = new Map<StorePath, Set<OutputName>>();
  for (const { drvPath: path, node } of level) {
    if (!isDerivationPath(path))
      throw new GoalError(
        "ERR_GOAL_UNKNOWN_OUTPUT",
        `derivation '${drvPath}' requires outputs of '${path}', which is no derivation`,
      );
    const names = wanted.get(path) ?? new Set();
    wanted.set(path, names);
    for (const name of [...node.outputs, ...node.dynamicOutputs.keys()]) names.add(name);
  }
  return [...wanted].map(([path, outputs]) => ({ drvPath: path, outputs }));
}
