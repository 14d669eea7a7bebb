import { EngineError } from "@drvkit/drv-parser";

/** What a builder left cannot be accepted: the build fails with this status. */
export class OutputError extends EngineError {
  constructor(
    readonly status: "outputRejected" | "hashMismatch" | "notDeterministic",
    message: string,
    options: { readonly hint?: string } = {},
  ) {
    super("ERR_BUILD_FAILED", message, options);
    this.name = "OutputError";
  }
}
