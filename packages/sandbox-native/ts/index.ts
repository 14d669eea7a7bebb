export {
  type ControlGroup,
  type ControlGroupLimits,
  type ControlGroupUsage,
  makeControlGroup,
  ownControlGroup,
  removeControlGroup,
} from "./cgroup.js";
export { type CopyOptions, copyCanonicalTree, copyTree } from "./copy.js";
export { SandboxError, type SandboxErrorCode } from "./error.js";
export { type EntryType, type ListedEntry, listDirectory, statEntry } from "./listing.js";
export * from "./os.js";
export { type PlatformSupport, platformSupport } from "./platform.js";
export { type ProgramOptions, type RunningProgram, startProgram } from "./program.js";
export { hashTreeModulo, rewriteTree } from "./rewrite.js";
export { isHostId, probeSandbox, startSandbox, startUnconfined } from "./sandbox.js";
export {
  type SystemCallCondition,
  type SystemCallNumbers,
  type SystemCallRule,
  systemCallRules,
} from "./system-calls.js";
export * from "./trees.js";
export type {
  ExitStatus,
  FileLock,
  LayerProbe,
  SandboxBind,
  SandboxEvent,
  SandboxFile,
  SandboxLayer,
  SandboxProcess,
  SandboxSpec,
  ScanResult,
  TreeStat,
  UnconfinedSpec,
} from "./types.js";
