import { type Derivation, type OutputName, outputPathsOf, type StorePath } from "@drvkit/drv-parser";
import { GoalError } from "../../error.js";
import type { GoalContext, InputRequest, PathRequest } from "../../worker/context.js";

/** A derivation and what somebody wants of it. */
type Wanting = Pick<GoalContext, "drvPath" | "wanted">;

/** Outputs and where they are, as far as that is known. */
export type OutputPaths = ReadonlyMap<OutputName, StorePath | undefined>;

/** Those paths of outputs that are known. */
export function knownPaths(outputs: OutputPaths): readonly StorePath[] {
  return [...outputs.values()].filter((path) => path !== undefined);
}

/** The outputs somebody wants now, and where they are. */
export function wantedOutputs(
  { wanted }: Pick<Wanting, "wanted">,
  outputs: OutputPaths,
): ReadonlyMap<OutputName, StorePath> {
  if (areAllWanted(wanted, outputs)) return outputs;
  const paths = new Map<OutputName, StorePath>();
  for (const [name, path] of outputs) if (path !== undefined && wanted.has(name)) paths.set(name, path);
  return paths;
}

function areAllWanted(
  wanted: Wanting["wanted"],
  outputs: OutputPaths,
): outputs is ReadonlyMap<OutputName, StorePath> {
  for (const [name, path] of outputs) if (path === undefined || !wanted.has(name)) return false;
  return true;
}

/** Whether each output that somebody wants now has a path. */
export function areWantedKnown({ wanted }: Pick<Wanting, "wanted">, outputs: OutputPaths): boolean {
  if (outputs.size === 0) return false;
  const names = wanted.names();
  return [...(names === "all" ? outputs.keys() : names)].every((name) => outputs.get(name) !== undefined);
}

/**
 * Names that are none. Who asked for one first is told by the failure of the goal; who came later is told alone.
 *
 * @throws {@link GoalError} `ERR_GOAL_UNKNOWN_OUTPUT` for a name that was wanted from the start.
 */
export function refuseUnknownNames(
  { drvPath, wanted }: Wanting,
  drv: { readonly outputs: ReadonlyMap<OutputName, unknown> },
): void {
  const names = wanted.names();
  const unknown = names === "all" ? [] : names.filter((name) => !drv.outputs.has(name));
  const first = unknown.filter((name) => wanted.first !== "all" && wanted.first.has(name));
  if (first.length > 0) throw unknownOutputs(drvPath, first, drv.outputs.keys());
  wanted.drop(unknown);
}

export function unknownOutputs(
  drvPath: StorePath,
  unknown: readonly OutputName[],
  known: Iterable<OutputName>,
): GoalError {
  return new GoalError(
    "ERR_GOAL_UNKNOWN_OUTPUT",
    `derivation '${drvPath}' does not have wanted outputs ${quoted(unknown)}`,
    { hint: `it has ${quoted(known)}` },
  );
}

/** What to ask substituters for: fixed outputs may come from a store with other paths. */
export function pathRequests(
  wanting: Pick<Wanting, "wanted">,
  drv: Derivation,
  paths: OutputPaths = outputPathsOf(drv),
): readonly PathRequest[] {
  return [...wantedOutputs(wanting, paths)].map(([name, path]) => {
    const output = drv.outputs.get(name);
    return { path, ca: output?.kind === "fixed" ? output.ca : undefined };
  });
}

/** What has to be made of the input derivations. */
export function inputRequests(drv: Pick<Derivation, "inputDrvs" | "dynamicInputs">): readonly InputRequest[] {
  return [...drv.inputDrvs].map(([drvPath, outputs]) => {
    const nested = drv.dynamicInputs?.get(drvPath);
    const names = nested === undefined ? outputs : new Set([...outputs, ...nested.keys()]);
    return { drvPath, outputs: names.size === 0 ? "all" : names };
  });
}

/** Names as Nix lists them: `'a', 'b'`. */
function quoted(names: Iterable<string>): string {
  return [...names].map((name) => `'${name}'`).join(", ");
}
