import {
  type Derivation,
  type DerivationOptions,
  derivationType,
  hashPartOf,
  isSandboxed,
  type OutputName,
  type StorePath,
} from "@drvkit/drv-parser";
import type { RunningBuild } from "../ports/sandbox.js";
import type { CanonicaliseOptions, ScanResult, SeenInodes } from "../ports/trees.js";
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
  readonly options: DerivationOptions;
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
  const hashParts = [...byHashPart.keys()];
  const seen = cx.ports.trees.makeSeenInodes();
  const collected: Collected[] = [];
  for (const [name, path] of from.outputs) {
    const { location, scan } = await secured({ name, path, hashParts }, from, seen, cx);
    const mentions = new Set(scan.found.flatMap((part) => byHashPart.get(part) ?? []));
    collected.push({
      name,
      scratch: path,
      location,
      narHash: scan.narHash,
      narSizeBytes: scan.narSizeBytes,
      references: from.options.unsafeDiscardReferences(name) ? new Set() : mentions,
      mentions,
    });
  }
  return collected;
}

/** One output to look at. */
interface ToSecure {
  readonly name: OutputName;
  /** Where the builder was told to write. */
  readonly path: StorePath;
  /** What to look for in it. */
  readonly hashParts: readonly string[];
}

/**
 * The tree, canonical, where no builder reaches it, and what is found in it. A build that shared the network, or was not isolated
 * at all, may have handed out a descriptor of its output, so that what counts is a copy that was never anybody else's.
 */
async function secured(
  { name, path, hashParts }: ToSecure,
  from: CollectFrom,
  seen: SeenInodes,
  cx: GoalContext,
): Promise<{ readonly location: string; readonly scan: ScanResult }> {
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
  const { signal } = cx;
  const owner = uids === undefined ? { seen, signal } : { allowedUids: uids, seen, signal };
  const scan = (location: string, options: CanonicaliseOptions) =>
    rejecting(trees.canonicaliseAndScan(location, hashParts, options));
  if (running.isolation === "sandbox" && isSandboxed(derivationType(from.drv)))
    return { location: scratch, scan: await scan(scratch, owner) };
  // Before it is copied, too: links to files of others are refused, and no further ones can be made.
  await rejecting(trees.canonicalise(scratch, owner));
  const copy = await from.copies.placeOf(name);
  await trees.copy(scratch, copy, cx);
  return { location: copy, scan: await scan(copy, { signal }) };
}

const rejections = new Set(["ERR_TREE_OWNERSHIP"]);

/** What work on the tree of a builder comes to; files that are not its own are no output. */
async function rejecting<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && "code" in error && rejections.has(String(error.code)))
      throw new OutputError("outputRejected", error.message);
    throw error;
  }
}
