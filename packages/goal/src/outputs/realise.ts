import {
  type Derivation,
  type DerivationOptions,
  type OutputName,
  outputPathsOf,
  type StorePath,
} from "@drvkit/drv-parser";
import type { RunningBuild } from "../ports/sandbox.js";
import type { GoalContext } from "../worker/context.js";
import { checkOutputs } from "./check.js";
import { type Collected, collectOutputs } from "./collect.js";
import { compareWithRegistered } from "./compare.js";
import { Copies } from "./copies.js";
import type { OutputError } from "./error.js";
import { type FinishedOutput, Finisher } from "./finish.js";
import { orderOutputs } from "./order.js";
import { lockFoundPaths, moveAndRegister, registerMismatched, registerRealisations } from "./register.js";

/** A build whose builder ended well. */
export interface BuiltOutputs {
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  readonly running: RunningBuild;
  /** Closure of the inputs. */
  readonly inputs: readonly StorePath[];
  /** Where outputs are or will be, as far as that is known. */
  readonly known: ReadonlyMap<OutputName, StorePath | undefined>;
  /** Where the builder wrote each of them. */
  readonly scratch: ReadonlyMap<OutputName, StorePath>;
  /** Those of the known ones that stay as they are. */
  readonly valid: ReadonlySet<StorePath>;
}

/**
 * From what the builder left to registered outputs: collect, order, hash, check, move, register; in check mode
 * compare instead. Where each output is.
 *
 * @throws {@link OutputError}.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `registerOutputs`
 */
export async function realiseOutputs(
  built: BuiltOutputs,
  cx: GoalContext,
): Promise<ReadonlyMap<OutputName, StorePath>> {
  const { drv } = built;
  await using copies = new Copies(cx.ports.store);
  const all = [...built.scratch].sort(([a], [b]) => (a < b ? -1 : 1));
  const stays = (name: OutputName) => {
    const path = built.known.get(name);
    return cx.mode !== "check" && path !== undefined && built.valid.has(path) ? path : undefined;
  };
  const wanted = all.filter(([name]) => stays(name) === undefined);
  const collected = await collectOutputs(
    {
      ...built,
      outputs: wanted,
      referenceable: [...built.inputs, ...built.scratch.values()],
      copies,
    },
    cx,
  );
  const finisher = new Finisher(built, copies, cx);
  for (const [name, path] of all) {
    const kept = stays(name);
    if (kept !== undefined && kept !== path) finisher.keep(path, kept);
  }
  const finished: FinishedOutput[] = [];
  let mismatch: OutputError | undefined;
  for (const output of ordered(cx.drvPath, collected)) {
    const one = await finisher.finish(output);
    finished.push(one.finished);
    mismatch ??= one.mismatch;
  }
  const kept = [...built.scratch].map(([name, path]) => [name, stays(name) ?? path] as const);
  const made = new Map([...kept, ...finished.map(({ name, info }) => [name, info.path] as const)]);
  await checkOutputs({ drvPath: cx.drvPath, options: built.options, made }, finished, cx.ports.store);
  if (cx.mode === "check")
    await compareWithRegistered({ finished, found: foundPaths(built), running: built.running }, cx);
  else if (mismatch === undefined) {
    await using _locks = await lockFoundPaths(finished, drv, cx);
    await moveAndRegister(finished, cx);
    await registerRealisations(made, drv, cx);
  } else await registerMismatched(finished, cx);
  if (mismatch !== undefined) throw mismatch;
  return made;
}

/** Where outputs are whose path the derivation does not state. */
function foundPaths({ known, drv }: BuiltOutputs): BuiltOutputs["known"] {
  const stated = outputPathsOf(drv);
  return new Map([...known].filter(([name]) => stated.get(name) === undefined));
}

function ordered(drvPath: StorePath, collected: readonly Collected[]): readonly Collected[] {
  const byPath = new Map(collected.map((output) => [output.scratch, output]));
  const references = new Map(
    collected.map(({ name, references }) => [
      name,
      new Set([...references].flatMap((path) => byPath.get(path)?.name ?? [])),
    ]),
  );
  const byName = new Map(collected.map((output) => [output.name, output]));
  return orderOutputs(drvPath, references).map((name) => byName.get(name) as Collected);
}
