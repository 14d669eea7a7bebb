import type { StorePath } from "@drvkit/drv-parser";

/** The log of one build while it is written. */
export interface LogWriter {
  write(bytes: Uint8Array): Promise<void>;
  /** Compresses and renames as configured. Idempotent. */
  close(): Promise<void>;
}

export interface LogPort {
  open(drvPath: StorePath): Promise<LogWriter>;
}
