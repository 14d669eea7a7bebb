import type { StorePath } from "@drvkit/drv-parser";

/**
 * What became of a path that was to be obtained elsewhere. Of the bad ends only `failed` is a failure by itself: the
 * others say that nobody offers the path, or something that it refers to.
 */
export type SubstitutionResult =
  | { readonly path: StorePath; readonly exit: "success"; readonly status: "alreadyValid" | "substituted" }
  | {
      readonly path: StorePath;
      readonly exit: "failed" | "noSubstituters" | "incompleteClosure";
      readonly status: "noSubstituters" | "dependencyFailed" | "miscFailure";
      readonly errorMessage: string;
      readonly errorCode?: string;
      readonly hint?: string;
    };
