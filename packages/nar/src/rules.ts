import { compareBytes, show } from "./bytes.js";
import type { NarErrorCode } from "./error.js";

/** A broken rule, without the place where it was broken. */
export interface Violation {
  readonly code: NarErrorCode;
  readonly message: string;
  readonly expected: string;
  readonly found: string;
}

/** What is wrong with a name behind the name `previous` of the same directory. */
export function nameViolation(name: Uint8Array, previous: Uint8Array | undefined): Violation | undefined {
  if (name.length === 0 || isDots(name) || name.includes(0x2f) || name.includes(0))
    return {
      code: "ERR_NAR_NAME",
      message: `NAR contains invalid file name ${show(name)}`,
      expected: "a name without '/' and NUL, not empty, '.' or '..'",
      found: show(name),
    };
  if (previous === undefined || compareBytes(previous, name) < 0) return undefined;
  return {
    code: "ERR_NAR_ORDER",
    message: "NAR directory is not sorted",
    expected: `a name behind ${show(previous)}`,
    found: show(name),
  };
}

function isDots(name: Uint8Array): boolean {
  return name.length <= 2 && name.every((byte) => byte === 0x2e);
}

/** What is wrong with the target of a link. */
export function targetViolation(target: Uint8Array): Violation | undefined {
  if (target.length > 0 && !target.includes(0)) return undefined;
  return {
    code: "ERR_NAR_NAME",
    message: "symbolic link with an invalid target",
    expected: "a target that is not empty and has no NUL",
    found: show(target),
  };
}
