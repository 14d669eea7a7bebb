import type { OutputName, StorePath } from "@drvkit/drv-parser";
import type { Because, StageName } from "./goals/derivation/stages.js";
import type { RealisationBecause, RealisationStageName } from "./goals/realisation/stages.js";
import type { PathBecause, PathStageName } from "./goals/substitution/stages.js";
import type { ActivityMessage } from "./log/messages.js";
import type { BuildUsage, Isolation } from "./ports/sandbox.js";
import type { BuildResult } from "./result/build-result.js";
import type { RealisationResultOf } from "./result/realisation-result.js";
import type { SubstitutionResult } from "./result/substitution-result.js";
import type { GoalKey } from "./worker/goal-key.js";

/** Version of the union below; it grows with every change that a consumer can see. */
export const eventVersion = 6;

/** Nix's verbosity numbers. */
export type Level = "error" | "warn" | "notice" | "info" | "talkative" | "chatty" | "debug" | "vomit";

/**
 * Everything a user can see of a run, in order. Times are milliseconds of the monotonic clock (`atMs`) of the run.
 */
export type Event =
  | {
      readonly type: "run-started";
      readonly version: typeof eventVersion;
      readonly atMs: number;
      readonly targets: readonly string[];
    }
  | {
      readonly type: "goal-created";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly drvPath: StorePath;
      readonly wanted: "all" | readonly OutputName[];
    }
  | {
      readonly type: "goal-waits";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly for: readonly GoalKey[];
    }
  | {
      readonly type: "goal-stage";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly from: StageName;
      readonly to: StageName;
      readonly because: Because;
    }
  | {
      readonly type: "substitution-created";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly path: StorePath;
    }
  | {
      readonly type: "substitution-stage";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly from: PathStageName;
      readonly to: PathStageName;
      readonly because: PathBecause;
    }
  | {
      readonly type: "substitution-started";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly path: StorePath;
      readonly uri: string;
      readonly narSizeBytes: number;
    }
  | {
      readonly type: "substitution-finished";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly path: StorePath;
      readonly uri: string;
      readonly outcome: "substituted" | "gone" | "failed";
    }
  | {
      readonly type: "substitution-done";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly result: SubstitutionResult;
    }
  | {
      readonly type: "realisation-created";
      readonly atMs: number;
      readonly goal: GoalKey;
      /** `sha256:HEX!OUTPUT` or `DRVPATH^OUTPUT`. */
      readonly id: string;
    }
  | {
      readonly type: "realisation-stage";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly from: RealisationStageName;
      readonly to: RealisationStageName;
      readonly because: RealisationBecause;
    }
  | {
      readonly type: "realisation-done";
      readonly atMs: number;
      readonly goal: GoalKey;
      /** Its id as in `realisation-created`. */
      readonly result: RealisationResultOf<string>;
    }
  | {
      /** The inputs have paths now: what is built is another derivation. */
      readonly type: "derivation-resolved";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly drvPath: StorePath;
      readonly resolved: StorePath;
    }
  | {
      readonly type: "waiting-for-lock";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly drvPath: StorePath;
      readonly outputs: readonly StorePath[];
    }
  | {
      /** The build hook has no machine free for it now. */
      readonly type: "waiting-for-machine";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly drvPath: StorePath;
    }
  | {
      readonly type: "slot";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly pool: "build" | "substitution";
      readonly change: "waiting" | "granted" | "released";
    }
  | {
      readonly type: "build-started";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly drvPath: StorePath;
      readonly mode: "normal" | "check" | "repair";
      /** Where a build hook has it built; empty: here. */
      readonly machine: string;
      /** Of the sandbox, in force; none of a build elsewhere. */
      readonly layers: readonly string[];
      /** `none`: the builder sees the machine; `sandbox` also of a build elsewhere, as far as is known here. */
      readonly isolation: Isolation;
      readonly hostTools: boolean;
    }
  | { readonly type: "build-phase"; readonly atMs: number; readonly goal: GoalKey; readonly phase: string }
  | { readonly type: "build-line"; readonly atMs: number; readonly goal: GoalKey; readonly line: string }
  | {
      readonly type: "build-finished";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly drvPath: StorePath;
      readonly status: BuildResult["status"];
      readonly durationMs: number;
      /** What the builder and all that it started used, where that is counted. */
      readonly usage?: BuildUsage;
    }
  | {
      /** Of something that a build does itself, as a download or a copy to another machine; it says so by `@nix` lines. */
      readonly type: "activity";
      readonly atMs: number;
      readonly goal: GoalKey;
      /** The ids are the teller's own. */
      readonly message: ActivityMessage;
    }
  | {
      readonly type: "post-build-hook-started";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly drvPath: StorePath;
      readonly program: string;
    }
  | {
      readonly type: "post-build-hook-line";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly line: string;
    }
  | { readonly type: "post-build-hook-finished"; readonly atMs: number; readonly goal: GoalKey }
  | { readonly type: "kept-build-dir"; readonly atMs: number; readonly goal: GoalKey; readonly path: string }
  | {
      readonly type: "registered";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly outputs: readonly {
        readonly name: OutputName;
        readonly path: StorePath;
        readonly narSizeBytes: number;
      }[];
    }
  | {
      readonly type: "progress";
      readonly atMs: number;
      readonly builds: {
        readonly done: number;
        readonly expected: number;
        readonly running: number;
        readonly failed: number;
      };
      /** Every figure but `running` only grows. */
      readonly substitutions: {
        readonly done: number;
        readonly expected: number;
        readonly running: number;
        readonly failed: number;
      };
      readonly transfers: {
        readonly doneDownloadBytes: number;
        /** As compressed; 0 where that is not said. */
        readonly expectedDownloadBytes: number;
        readonly doneNarBytes: number;
        readonly expectedNarBytes: number;
      };
    }
  | {
      readonly type: "message";
      readonly atMs: number;
      readonly level: Level;
      readonly text: string;
      readonly goal?: GoalKey;
    }
  | {
      readonly type: "goal-done";
      readonly atMs: number;
      readonly goal: GoalKey;
      readonly result: BuildResult;
    }
  | { readonly type: "run-finished"; readonly atMs: number; readonly exitStatus: number };
