import type { StorePath } from "@drvkit/drv-parser";

/** What the diff hook is shown. */
export interface DifferingOutput {
  readonly drvPath: StorePath;
  /** Where the registered output is on this machine. */
  readonly registered: string;
  /** Where that is which was built to compare with it. */
  readonly built: string;
  /** Build directory on this machine. */
  readonly buildDir: string;
  /** The ids of the builder, when they are not the caller's. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/** Who is shown two outputs of one derivation that differ, in check mode. */
export interface DiffHookPort {
  /** Resolves with what is to be told; what it throws is told as well, and changes nothing. */
  run(differing: DifferingOutput, options: { readonly signal: AbortSignal }): Promise<string>;
}
