export { buildDerivation } from "./build-derivation.js";
export { BuildPathsError, buildPaths } from "./build-paths.js";
export { ensurePath } from "./ensure-path.js";
export { GoalError, type GoalErrorCode } from "./error.js";
export { type Event, eventVersion, type Level } from "./event.js";
export { type EventJson, type JsonOf, printEvent } from "./event-json.js";
export { printExitStatus } from "./goals/derivation/failure-message.js";
export { type Because, type StageName, transitions } from "./goals/derivation/stages.js";
export { type PathBecause, type PathStageName, pathTransitions } from "./goals/substitution/stages.js";
export { ActivityIds } from "./log/activities.js";
export { type FileLogOptions, type LogCompression, makeFileLog } from "./log/file.js";
export { type FollowLogOptions, followLog } from "./log/follow.js";
export { InternalJson } from "./log/internal-json.js";
export { type BuilderLine, readBuilderLine } from "./log/json-messages.js";
export { Lines } from "./log/lines.js";
export {
  type LogField,
  type LogMessage,
  parseLogMessage,
  printLogMessage,
  printLogMessageJson,
} from "./log/messages.js";
export { type LogExtension, logPath } from "./log/names.js";
export { type OpenLogOptions, openLog } from "./log/read.js";
export { type Missing, type QueryMissingOptions, queryMissing } from "./missing/query-missing.js";
export type { BuildHookPort, HookBuild, HookQuestion, HookReply } from "./ports/build-hook.js";
export type { ClockPort } from "./ports/clock.js";
export type { DifferingOutput, DiffHookPort } from "./ports/diff-hook.js";
export type { EvalStorePort } from "./ports/eval-store.js";
export type { LogPort, LogWriter } from "./ports/log.js";
export type { PostBuildHookPort } from "./ports/post-build-hook.js";
export type {
  BuildSpec,
  BuildUsage,
  ExitStatus,
  Isolation,
  RunningBuild,
  SandboxEvent,
  SandboxPort,
  UidRange,
} from "./ports/sandbox.js";
export type { OutputLocks, StorePort } from "./ports/store.js";
export type { SubstitutableInfo, SubstituterPort } from "./ports/substituter.js";
export type {
  Cancellable,
  CanonicaliseOptions,
  ScanResult,
  SeenInodes,
  TreeDifference,
  TreeStat,
  TreesPort,
} from "./ports/trees.js";
export { isPathGood, repairPath } from "./repair-path.js";
export type { BuildResult, BuildStatus, FailureStatus, SuccessStatus } from "./result/build-result.js";
export type {
  Compared,
  DifferenceReason,
  FileDifference,
  OutputDifference,
} from "./result/differences.js";
export { failureStatus, isSuccess, type RunFlags } from "./result/exit-status.js";
export { printBuildResult } from "./result/print-build-result.js";
export type { SubstitutionResult } from "./result/substitution-result.js";
export {
  type GoalRequest,
  type GoalWorker,
  makeWorker,
  type RunOptions,
  type RunOutcome,
  runGoals,
  type WatchOptions,
  type WorkerOptions,
} from "./run-goals.js";
export { type BuildMode, defaultWorkerSettings, type WorkerSettings } from "./settings.js";
export { systemClock } from "./system-clock.js";
export type { Ports } from "./worker/context.js";
export { type DerivationReads, derivationReadsOf } from "./worker/derivation-store.js";
export type { GoalKey } from "./worker/goal-key.js";
export type { OutputSelection } from "./worker/wanted.js";
