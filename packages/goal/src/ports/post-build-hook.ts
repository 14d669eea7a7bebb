import type { StorePath } from "@drvkit/drv-parser";

/** What is run after each build, before anybody who waited for it goes on. */
export interface PostBuildHookPort {
  /** What it is, for people. */
  readonly program: string;
  /** What it throws fails the goal; the outputs stay valid. */
  run(
    built: {
      readonly drvPath: StorePath;
      /** In byte order. */
      readonly outputs: readonly StorePath[];
    },
    options: { readonly signal: AbortSignal; readonly write: (bytes: Uint8Array) => void },
  ): Promise<void>;
}
