import type { StorePath } from "@drvkit/drv-parser";
import type { DrvOutput } from "@drvkit/narinfo";

/** What became of an output whose path somebody else was to tell. Of the bad ends only `failed` is a failure by itself. */
export type RealisationResultOf<Id> =
  | { readonly id: Id; readonly exit: "success"; readonly outPath: StorePath }
  | {
      readonly id: Id;
      readonly exit: "failed" | "noSubstituters" | "incompleteClosure";
      readonly errorMessage: string;
      readonly errorCode?: string;
      readonly hint?: string;
    };

export type RealisationResult = RealisationResultOf<DrvOutput>;
