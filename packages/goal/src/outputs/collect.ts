import {
  type Derivation,
  derivationOptions,
  derivationType,
  hashPartOf,
  isSandboxed,
  type OutputName,
  type StorePath,
} from "@drvkit/drv-parser";
import type { RunningBuild } from "../ports/sandbox.js";
import type { CanonicaliseOptions, SeenInodes } from "../ports/trees.js";
import type { GoalContext } from "../worker/context.js";
import type { Copies } from "./copies.js";
import { OutputError } from "./error.js";

/** One output as the builder left it, canonical, scanned and hashed. */
export interface Collected {
  readonly name: OutputName;
  /** Where the builder was told to write. */
  readonly scratch: StorePath;
  /** Where the tree is now. */
  readonly location: string;
  readonly narHash: Uint8Array;
  readonly narSizeBytes: number;
  readonly references: ReadonlySet<StorePath>;
  /** What is found in it, whether or not that counts as a reference. */
  readonly mentions: ReadonlySet<StorePath>;
}

/** What outputs are collected from. */
export interface CollectFrom {
  readonly drv: Derivation;
  readonly running: RunningBuild;
  /** Outputs to collect, in name order. */
  readonly outputs: readonly (readonly [name: OutputName, path: StorePath])[];
  /** Every path that an output may refer to. */
  readonly referenceable: readonly StorePath[];
  readonly copies: Copies;
}

/**
 * Looks at every output, makes it canonical, finds its references and hashes it.
 *
 * @throws {@link OutputError} for one that is missing or that others could have written.
 */
export async function collectOutputs(from: CollectFrom, cx: GoalContext): Promise<readonly Collected[]> {
  const byHashPart = new Map(from.referenceable.map((path) => [hashPartOf(path), path]));
  const options = derivationOptions(cx.drvPath, from.drv);
  const seen = cx.ports.trees.makeSeenInodes();
  const collected: Collected[] = [];
  for (const [name, path] of from.outputs) {
    const location = await secured(name, path, from, seen, cx);
    const scan = await cx.ports.trees.scan(location, [...byHashPart.keys()], cx);
    const mentions = new Set(scan.found.flatMap((part) => byHashPart.get(part) ?? []));
    collected.push({
      name,
      scratch: path,
      location,
      narHash: scan.narHash,
      narSizeBytes: scan.narSizeBytes,
      references: options.unsafeDiscardReferences(name) ? new Set() : mentions,
      mentions,
    });
  }
  return collected;
}

/**
 * The tree, canonical, where no builder reaches it. A build that shared the network, or was not isolated at all, may have
 * handed out a descriptor of its output, so that what counts is a copy that was never anybody else's.
 */
async function secured(
  name: OutputName,
  path: StorePath,
  from: CollectFrom,
  seen: SeenInodes,
  cx: GoalContext,
): Promise<string> {
  const { trees } = cx.ports;
  const { running } = from;
  const scratch = running.scratchLocation(path);
  const stat = await trees.stat(scratch);
  if (stat === undefined)
    throw new OutputError(
      "outputRejected",
      `builder for '${cx.drvPath}' failed to produce output path for output '${name}' at '${scratch}'`,
      {
        hint: `the builder must write '$${name}'`,
      },
    );
  const writableByOthers = stat.type !== "symlink" && (stat.mode & 0o022) !== 0;
  const uids = running.builderUids;
  const foreign = uids !== undefined && (stat.uid < uids.first || stat.uid >= uids.first + uids.count);
  if (writableByOthers || foreign)
    throw new OutputError(
      "outputRejected",
      `suspicious ownership or permission on '${scratch}' for output '${name}'; rejecting this build output`,
      {
        hint: "the builder must leave its outputs to itself: no group or world write permission",
      },
    );
  const owner = uids === undefined ? { seen } : { allowedUids: uids, seen };
  // Also what is copied: links to files of others are refused, and no further ones can be made.
  await canonicalise(scratch, owner, cx);
  if (running.isolation === "sandbox" && isSandboxed(derivationType(from.drv))) return scratch;
  const copy = await from.copies.placeOf(name);
  await trees.copy(scratch, copy, cx);
  await canonicalise(copy, {}, cx);
  return copy;
}

const rejections = new Set(["ERR_TREE_OWNERSHIP"]);

async function canonicalise(location: string, owner: CanonicaliseOptions, cx: GoalContext): Promise<void> {
  try {
    await cx.ports.trees.canonicalise(location, { ...owner, signal: cx.signal });
  } catch (error) {
    if (error instanceof Error && "code" in error && rejections.has(String(error.code)))
      throw new OutputError("outputRejected", error.message);
    throw error;
  }
}
