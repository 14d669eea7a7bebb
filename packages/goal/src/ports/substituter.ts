import type { StoreDir, StorePath } from "@drvkit/drv-parser";
import type { DrvOutput, PathInfo, Realisation } from "@drvkit/narinfo";

/** What a substituter says of an object that it offers. */
export interface SubstitutableInfo extends PathInfo {
  /** Bytes that have to be fetched; unknown where nothing is compressed. */
  readonly downloadSizeBytes?: number;
}

/**
 * A store that offers objects: a cache, another store, a plain object of somebody's own. It is believed nothing that a
 * signature or the content does not show.
 */
export interface SubstituterPort {
  /** For messages. */
  readonly uri: string;
  /** What its paths are below; the store's own unless given. */
  readonly storeDir?: StoreDir;
  /** Lower is asked first; 0 unless given. */
  readonly priority?: number;
  /** Its objects need no signature. */
  readonly trusted?: boolean;
  /** What it knows of a path, `undefined` when it does not have it. What it throws takes it out of the run, with a warning. */
  queryPathInfo(
    path: StorePath,
    options: { readonly signal: AbortSignal },
  ): Promise<SubstitutableInfo | undefined>;
  /** The realisation that it knows of an output; without the method it knows of none. What it throws is as above. */
  queryRealisation?(
    id: DrvOutput,
    options: { readonly signal: AbortSignal },
  ): Promise<Realisation | undefined>;
  /**
   * The archive of an object that it offered, uncompressed. For one that is not there any more it throws an error with the
   * code `ERR_SUBSTITUTE_GONE`: then it counts as not offered.
   */
  archive(info: SubstitutableInfo, options: { readonly signal: AbortSignal }): AsyncIterable<Uint8Array>;
}
