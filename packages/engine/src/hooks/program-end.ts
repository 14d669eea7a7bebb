import { constants } from "node:os";
import type { ExitStatus } from "@drvkit/goal";

/** How a program of Node's ended, by what its event `close` tells. */
export function exitStatusOf(code: number | null, signal: NodeJS.Signals): ExitStatus {
  return code === null ? { kind: "signalled", signal: constants.signals[signal] } : { kind: "exited", code };
}
