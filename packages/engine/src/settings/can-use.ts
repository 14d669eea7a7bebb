import { accessSync, constants, statSync } from "node:fs";

/** Whether this process may read and write a device. */
export function canUse(device: string): boolean {
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const forOthers = 0o006;

/** Whether builders may read and write a device: those of root run under ids that are neither its owner's nor of its group. */
export function canBuildersUse(device: string, isRoot = process.geteuid?.() === 0): boolean {
  return canUse(device) && (!isRoot || (statSync(device).mode & forOthers) === forOthers);
}
