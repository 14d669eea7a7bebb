import type { Derivation, OutputName, StorePath } from "@drvkit/drv-parser";
import type { RunningBuild } from "../ports/sandbox.js";
import type { GoalContext } from "../worker/context.js";
import { checkOutputs } from "./check.js";
import { type Collected, collectOutputs } from "./collect.js";
import { compareWithRegistered } from "./compare.js";
import type { OutputError } from "./error.js";
import { type FinishedOutput, finish } from "./finish.js";
import { orderOutputs } from "./order.js";
import { moveAndRegister, registerMismatched } from "./register.js";

/** A build whose builder ended well. */
export interface BuiltOutputs {
  readonly drv: Derivation;
  readonly running: RunningBuild;
  /** Closure of the inputs. */
  readonly inputs: readonly StorePath[];
  readonly outputs: ReadonlyMap<OutputName, StorePath>;
  readonly valid: ReadonlySet<StorePath>;
}

/**
 * From what the builder left to registered outputs: collect, order, hash, check, move, register; in check mode
 * compare instead.
 *
 * @throws {@link OutputError}.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `registerOutputs`
 */
export async function realiseOutputs(built: BuiltOutputs, cx: GoalContext): Promise<void> {
  const { store } = cx.ports;
  await using copies = await store.makeTempDir();
  const all = [...built.outputs].sort(([a], [b]) => (a < b ? -1 : 1));
  const wanted = cx.mode === "check" ? all : all.filter(([, path]) => !built.valid.has(path));
  const collected = await collectOutputs(
    {
      ...built,
      outputs: wanted,
      referenceable: [...built.inputs, ...built.outputs.values()],
      copies: copies.path,
    },
    cx,
  );
  const finished: FinishedOutput[] = [];
  let mismatch: OutputError | undefined;
  for (const output of ordered(cx.drvPath, collected)) {
    const one = await finish(output, built.drv, cx);
    finished.push(one.finished);
    mismatch ??= one.mismatch;
  }
  await checkOutputs(cx.drvPath, built.drv, finished, store);
  if (cx.mode === "check") await compareWithRegistered(finished, cx);
  else if (mismatch === undefined) await moveAndRegister(finished, cx);
  else await registerMismatched(finished, cx);
  if (mismatch !== undefined) throw mismatch;
}

function ordered(drvPath: StorePath, collected: readonly Collected[]): readonly Collected[] {
  const byPath = new Map(collected.map((output) => [output.path, output]));
  const references = new Map(
    collected.map(({ name, references }) => [
      name,
      new Set([...references].flatMap((path) => byPath.get(path)?.name ?? [])),
    ]),
  );
  const byName = new Map(collected.map((output) => [output.name, output]));
  return orderOutputs(drvPath, references).map((name) => byName.get(name) as Collected);
}
