export { type CopyOptions, copyTree } from "./copy.js";
export { SandboxError, type SandboxErrorCode } from "./error.js";
export { type EntryType, type ListedEntry, listDirectory, statEntry } from "./listing.js";
export * from "./os.js";
export { type PlatformSupport, platformSupport } from "./platform.js";
export { type ProgramOptions, type RunningProgram, startProgram } from "./program.js";
export { hashTreeModulo, rewriteTree } from "./rewrite.js";
export { isHostId, probeSandbox, startSandbox } from "./sandbox.js";
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
} from "./types.js";
