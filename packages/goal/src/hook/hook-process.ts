import type { ExitStatus } from "../ports/sandbox.js";

/** A hook that runs: a program in a session of its own, its standard output and standard error in one pipe. */
export interface HookProcess {
  readonly output: AsyncIterable<Uint8Array>;
  /** What was written to its descriptor 4; ends only with `endLog()`. */
  readonly log: AsyncIterable<Uint8Array>;
  /** What is still in that pipe is delivered, then `log` ends. */
  endLog(): void;
  /** To its standard input; rejects when it does not read any more. */
  write(bytes: Uint8Array): Promise<void>;
  closeInput(): void;
  /** To all of its session; nothing when it has ended. */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
  readonly ended: Promise<ExitStatus>;
  /** SIGKILL if it runs; nothing of it is left. */
  close(): Promise<void>;
}
