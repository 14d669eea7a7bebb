export {
  type ControlGroup,
  type ControlGroupLimits,
  type ControlGroupUsage,
  makeControlGroup,
  ownControlGroup,
  removeControlGroup,
} from "./cgroup.js";
export * from "./os.js";
export { type ProgramOptions, type RunningProgram, startProgram } from "./program.js";
export { beginSandbox, isHostId, probeSandbox, startSandbox, startUnconfined } from "./sandbox.js";
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
  SandboxBase,
  SandboxBeginning,
  SandboxBind,
  SandboxEvent,
  SandboxFile,
  SandboxLayer,
  SandboxProcess,
  SandboxSpec,
  UnconfinedSpec,
} from "./types.js";
