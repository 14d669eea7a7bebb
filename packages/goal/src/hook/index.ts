export type { HookProcess } from "./hook-process.js";
export { chooseMachine, type Machine, type MachineDefaults, parseMachines } from "./machines.js";
export { makeProcessHook, type ProcessHook, type ProcessHookOptions } from "./process-hook.js";
