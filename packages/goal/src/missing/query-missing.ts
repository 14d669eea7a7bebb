import type { StorePath } from "@drvkit/drv-parser";
import type { StorePort } from "../ports/store.js";
import type { SubstituterPort } from "../ports/substituter.js";
import type { GoalRequest } from "../run-goals.js";
import type { WorkerSettings } from "../settings.js";
import type { DerivationReads } from "../worker/derivation-store.js";

/** What a run would do. */
export interface Missing {
  /** Derivations that would be built, inputs before what needs them. */
  readonly willBuild: readonly StorePath[];
  /** Paths that would be obtained from substituters, in byte order. */
  readonly willSubstitute: readonly StorePath[];
  /** Paths that nobody has or makes, in byte order. */
  readonly unknown: readonly StorePath[];
  /** Sum over `willSubstitute`, as far as it is known. */
  readonly downloadSizeBytes: number;
  /** Sum over `willSubstitute`. */
  readonly narSizeBytes: number;
}

export interface QueryMissingOptions {
  readonly ports: {
    readonly store: Pick<
      StorePort,
      | "storeDir"
      | "queryValidPaths"
      | "queryDerivationOutlines"
      | "queryOutputHashes"
      | "queryRealisation"
      | "readDerivation"
    >;
    /** Where derivations are read first, when it is not the store. */
    readonly evalStore?: DerivationReads;
    readonly substituters?: readonly SubstituterPort[];
  };
  readonly settings: WorkerSettings;
  readonly signal?: AbortSignal;
  /** Told what substituters do wrong. */
  readonly onWarning?: (text: string) => void;
}

/**
 * What it would take to make everything that is asked for valid. Nothing is changed; substituters are asked.
 *
 * @throws {@link GoalError} `ERR_GOAL_UNKNOWN_OUTPUT`; what reading a derivation throws; the reason of the signal.
 * @see Nix: src/libstore/misc.cc, `queryMissing`
 */
export async function queryMissing(
  requests: readonly GoalRequest[],
  options: QueryMissingOptions,
): Promise<Missing> {
  const { MissingQuery } = await import("./missing-query.js"); // a build needs none of it
  const query = new MissingQuery(options);
  for (const request of requests)
    if ("drvPath" in request) query.wantOutputs(request.drvPath, request.outputs);
    else query.wantPath({ path: request.path });
  await query.run();
  return query.missing();
}
