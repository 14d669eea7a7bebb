import type { OutputName, StorePath } from "@drvkit/drv-parser";
import type { OutputDifference } from "./differences.js";

/** Nix's names of the good ends, in camelCase. */
export type SuccessStatus = "built" | "substituted" | "alreadyValid" | "resolvesToAlreadyValid";

/** Nix's names of the bad ends, in camelCase. */
export type FailureStatus =
  | "permanentFailure"
  | "inputRejected"
  | "outputRejected"
  | "transientFailure"
  | "timedOut"
  | "miscFailure"
  | "dependencyFailed"
  | "logLimitExceeded"
  | "notDeterministic"
  | "noSubstituters"
  | "hashMismatch";

interface Common {
  readonly drvPath: StorePath;
  /** 1 after a real build, else 0. */
  readonly timesBuilt: number;
  /** Seconds since the epoch; 0 when nothing was built. */
  readonly startTimeSeconds: number;
  readonly stopTimeSeconds: number;
}

/** The outcome of a goal: a value, never an exception. */
export type BuildResult =
  | (Common & { readonly status: SuccessStatus; readonly outputs: ReadonlyMap<OutputName, StorePath> })
  | (Common & {
      readonly status: FailureStatus;
      /** Text of the failure, without `error: `. */
      readonly errorMessage: string;
      /** Code of the error behind it, when there was one. */
      readonly errorCode?: string;
      readonly hint?: string;
      /** Last lines of the log of this goal's own build. */
      readonly logTail?: readonly string[];
      /** What differs in which outputs, on `notDeterministic`. */
      readonly differences?: readonly OutputDifference[];
      /** What failed first, on `dependencyFailed`, and where an input source could not be copied. */
      readonly failedDependencies?: readonly StorePath[];
    });

export type BuildSuccess = Extract<BuildResult, { readonly outputs: unknown }>;
export type BuildFailure = Exclude<BuildResult, BuildSuccess>;
export type BuildStatus = BuildResult["status"];
