import type { PathInfo } from "@drvkit/narinfo";
import type { StorePort } from "./store.js";

/**
 * Where derivations are read that the store need not have, and where their sources are copied from: the store that an
 * evaluation wrote them to. Nothing is written there but temp roots. Its store directory is that of the store.
 */
export interface EvalStorePort
  extends Pick<
    StorePort,
    | "queryPathInfo"
    | "queryValidPaths"
    | "queryClosure"
    | "readDerivation"
    | "queryDerivationOutputs"
    | "queryOutputHashes"
    | "queryDerivationOutlines"
    | "addTempRoots"
  > {
  /** For messages. */
  readonly uri: string;
  /** The archive of a valid object, as its files are now: the store that takes it in holds it against `info`. */
  archive(info: PathInfo, options: { readonly signal: AbortSignal }): AsyncIterable<Uint8Array>;
}
