import {
  type ContentAddress,
  computeContentAddressedPath,
  type Derivation,
  hashesEqual,
  type OutputName,
  outputPathName,
  printHash,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { invariant } from "../error.js";
import type { GoalContext } from "../worker/context.js";
import type { Collected } from "./collect.js";
import { OutputError } from "./error.js";

/** One output with its final path and all that is known of it. */
export interface FinishedOutput {
  readonly name: OutputName;
  readonly location: string;
  readonly info: PathInfo;
}

/** What is to be registered of an output. A fixed one that has another hash than it should comes with that error. */
export async function finish(
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
