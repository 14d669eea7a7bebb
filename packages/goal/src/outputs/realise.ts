import {
  type ContentAddress,
  computeContentAddressedPath,
  type Derivation,
  hashesEqual,
  type OutputName,
  outputPathName,
  printHash,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { invariant } from "../error.js";
import type { RunningBuild } from "../ports/sandbox.js";
import type { GoalContext } from "../worker/context.js";
import { checkOutputs } from "./check.js";
import { type Collected, collectOutputs } from "./collect.js";
import { compareWithRegistered } from "./compare.js";
import { OutputError } from "./error.js";
import { orderOutputs } from "./order.js";

/** A build whose builder ended well. */
export interface BuiltOutputs {
  readonly drv: Derivation;
  readonly running: RunningBuild;
  /** Closure of the inputs. */
  readonly inputs: readonly StorePath[];
  readonly outputs: ReadonlyMap<OutputName, StorePath>;
  readonly valid: ReadonlySet<StorePath>;
}

/** One output with its final path and all that is known of it. */
export interface FinishedOutput {
  readonly name: OutputName;
  readonly location: string;
  readonly info: PathInfo;
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

/**
 * What a fixed output really is becomes valid under its own path, so that correcting the hash builds nothing again. A
 * build that owns that path is not waited for: it may wait for ours.
 */
async function registerMismatched(finished: readonly FinishedOutput[], cx: GoalContext): Promise<void> {
  await using locks = await cx.ports.store.tryLockOutputs(finished.map(({ info }) => info.path));
  if (locks === undefined) return;
  await moveAndRegister(finished, cx);
  locks.deleteOnRelease();
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

async function finish(
  output: Collected,
  drv: Derivation,
  cx: GoalContext,
): Promise<{ readonly finished: FinishedOutput; readonly mismatch?: OutputError }> {
  const declared = drv.outputs.get(output.name);
  invariant(declared !== undefined && "path" in declared, `output '${output.name}' has no known path`);
  const common = {
    narHash: { algorithm: "sha256", digest: output.narHash },
    narSizeBytes: output.narSizeBytes,
    references: output.references,
    deriver: cx.drvPath,
    registrationTimeSeconds: cx.ports.clock.nowSeconds(),
    ultimate: true,
    signatures: [],
  } as const;
  if (declared.kind === "inputAddressed")
    return { finished: { ...output, info: { ...common, path: declared.path } } };

  invariant(declared.kind === "fixed", "only outputs with known paths are built");
  const found = await addressOf(output, declared.ca, drv, cx);
  const path = computeContentAddressedPath(
    cx.ports.store.storeDir,
    outputPathName(drv.name, output.name),
    found,
  );
  const finished = { ...output, info: { ...common, path, ca: found } };
  if (hashesEqual(found.hash, declared.ca.hash)) return { finished };
  const mismatch = new OutputError(
    "hashMismatch",
    `hash mismatch in fixed-output derivation '${cx.drvPath}':\n  specified: ${printHash(declared.ca.hash, "sri")}\n     got:    ${printHash(found.hash, "sri")}`,
    { hint: `what was built is registered as '${path}'` },
  );
  return { finished, mismatch };
}

/** The content address a fixed output turns out to have. */
async function addressOf(
  output: Collected,
  declared: ContentAddress,
  drv: Derivation,
  cx: GoalContext,
): Promise<ContentAddress> {
  const { trees } = cx.ports;
  const [first] = output.references;
  if (first !== undefined)
    throw new OutputError(
      "hashMismatch",
      `fixed-output derivations must not reference store paths: '${cx.drvPath}' references ${output.references.size} distinct paths, e.g. '${first}'`,
    );
  if (declared.method !== "nar") {
    const stat = await trees.stat(output.location);
    if (stat?.type !== "regular" || (stat.mode & 0o100) !== 0)
      throw new OutputError(
        "outputRejected",
        `output path '${output.location}' should be a non-executable regular file since recursive hashing is not enabled (outputHashMode=flat)`,
        { hint: `set outputHashMode = "recursive" in '${drv.name}', or write a plain file` },
      );
  }
  const method = declared.method === "nar" ? "nar" : "flat";
  return {
    method: declared.method,
    hash: await trees.hash(output.location, method, declared.hash.algorithm, cx),
  };
}

/** Trees first, then one registration of all: a crash between leaves paths that are not valid. */
async function moveAndRegister(finished: readonly FinishedOutput[], cx: GoalContext): Promise<void> {
  const { store, trees } = cx.ports;
  const valid = await store.queryValidPaths(finished.map(({ info }) => info.path));
  const fresh = finished.filter(({ info }) => !valid.has(info.path));
  for (const { location, info } of fresh) {
    const final = store.realPathOf(info.path);
    await trees.remove(final);
    await trees.move(location, final);
  }
  await store.registerValidPaths(fresh.map(({ info }) => info));
  cx.emit({
    type: "registered",
    goal: cx.key,
    outputs: finished.map(({ name, info }) => ({ name, path: info.path, narSizeBytes: info.narSizeBytes })),
  });
}
