import { EngineError } from "@drvkit/drv-parser";
import type { OutputDifference } from "../result/differences.js";

/** What a builder left cannot be accepted: the build fails with this status. */
export class OutputError extends EngineError {
  /** `notDeterministic`: what differs. */
  readonly differences: readonly OutputDifference[] | undefined;

  constructor(
    readonly status: "outputRejected" | "hashMismatch" | "notDeterministic",
    message: string,
    options: { readonly hint?: string; readonly differences?: readonly OutputDifference[] } = {},
  ) {
    super("ERR_BUILD_FAILED", message, options);
    this.name = "OutputError";
    this.differences = options.differences;
  }
}
