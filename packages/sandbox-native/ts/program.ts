import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { constants, tmpdir } from "node:os";
import { type Outcome, SandboxError, unwrap } from "./error.js";
import { PipeReader } from "./pipe-reader.js";
import { loadAddon } from "./platform.js";
import { exitStatus, type NativeEvent } from "./sandbox.js";
import type { ExitStatus } from "./types.js";

/** What {@link startProgram} starts. */
export interface ProgramOptions {
  /** Absolute path. */
  readonly program: string;
  /** All of argv, `argv[0]` included. */
  readonly argv: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Unchanged unless given. */
  readonly cwd?: string;
  /**
   * In a session, and so a process group, of its own, all of which ends with it; without it in those of this process, and what it leaves
   * behind stays.
   */
  readonly session: boolean;
  readonly stdin: "pipe" | "inherit";
  /** A pipe whose write end is the program's descriptor 4 and whose read end is its descriptor 5; this process keeps both ends, too. */
  readonly logPipe?: boolean;
}

/** A program that runs outside of the sandbox. Close it: until then it has descriptors here. */
export interface RunningProgram {
  readonly pid: number;
  /**
   * Standard output and standard error, merged in one pipe; ends when nobody can write any more. A loop that is left can be continued by
   * another one. The program waits while nobody reads.
   */
  readonly output: AsyncIterable<Uint8Array>;
  /** With `logPipe`: what was written to descriptor 4, as it comes; ends only with `endLog()` or `close()`. Else it is at its end. */
  readonly log: AsyncIterable<Uint8Array>;
  /** What is still in the log pipe is delivered (read without blocking until it is empty, at most 1 MiB more), then `log` ends. Idempotent. */
  endLog(): void;
  /**
   * To its standard input; resolves when all of it is in the pipe.
   *
   * @throws SandboxError `ERR_PIPE_CLOSED` when it does not read any more, or its input was closed or is not a pipe.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** It reads what was written, then the end. Idempotent. */
  closeInput(): void;
  /** Signal to its process group (`session`) or to it alone; nothing when it has been reaped. */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
  /** How it ended; reaped. */
  readonly ended: Promise<ExitStatus>;
  /** SIGKILL if it runs, all descriptors closed, reaped. Loops over `output` and `log` end. Idempotent. */
  close(): Promise<void>;
}

interface NativePipes {
  readonly input?: number;
  readonly output: number;
  readonly logRead?: number;
  readonly logWrite?: number;
}

interface NativeProgram {
  readonly pid: number;
  takePipes(): NativePipes | null;
  next(): Promise<Outcome<readonly NativeEvent[]>>;
  signal(signal: number): void;
}

interface ProgramAddon {
  startProgram(program: {
    readonly program: string;
    readonly argv: readonly string[];
    readonly env: readonly { readonly name: string; readonly value: string }[];
    readonly cwd: string | undefined;
    readonly session: boolean;
    readonly inputPipe: boolean;
    readonly logPipe: boolean;
    readonly tempDir: string;
  }): Promise<Outcome<NativeProgram>>;
}

/**
 * Starts a program outside of the sandbox, with the rights of this process; resolves once it has been executed.
 *
 * It has its standard streams, with `logPipe` descriptors 4 and 5, and no others; every signal at its default and none blocked; and a
 * SIGKILL when this process ends. There is no search in `PATH` and no shell.
 *
 * @throws SandboxError `ERR_PROGRAM_START` when it cannot be executed, with `path`, `step` and `errno`, or when another step failed;
 * `ERR_PROGRAM_SPEC` for a relative path, no arguments, a zero byte, a name that is none; `ERR_PLATFORM`.
 * @see Nix: src/libstore/unix/build/hook-instance.cc, `HookInstance::HookInstance`
 * @example
 * const hook = await startProgram({ program: "/bin/cat", argv: ["cat"], env: {}, session: true, stdin: "pipe" });
 * await hook.write(new TextEncoder().encode("hello\n"));
 * hook.closeInput();
 * for await (const bytes of hook.output) process.stdout.write(bytes);
 * await hook.close();
 */
export async function startProgram(options: ProgramOptions): Promise<RunningProgram> {
  const { program, argv, env, cwd, session, stdin, logPipe = false } = options;
  const variables = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value }],
  );
  const native = unwrap(
    await (loadAddon() as ProgramAddon).startProgram({
      program,
      argv,
      env: variables,
      cwd,
      session,
      inputPipe: stdin === "pipe",
      logPipe,
      tempDir: tmpdir(),
    }),
  );
  const pipes = native.takePipes();
  if (pipes === null) throw new Error("bug: a program was started without its pipes");
  return new StartedProgram(native, pipes);
}

class StartedProgram implements RunningProgram {
  readonly pid: number;
  readonly output: PipeReader;
  readonly log: AsyncIterable<Uint8Array>;
  readonly #native: NativeProgram;
  readonly #input: PipeWriter | undefined;
  readonly #log: LogPipe | undefined;
  #ended: Promise<ExitStatus> | undefined;
  #closed: Promise<void> | undefined;

  constructor(native: NativeProgram, { input, output, logRead, logWrite }: NativePipes) {
    this.#native = native;
    this.pid = native.pid;
    this.output = new PipeReader(output);
    if (input !== undefined) this.#input = new PipeWriter(input);
    if (logRead !== undefined && logWrite !== undefined) this.#log = new LogPipe(logRead, logWrite);
    this.log = this.#log?.reader ?? nothing;
  }

  // Asked for at the first look, not before: an answer that is awaited keeps Node alive.
  get ended(): Promise<ExitStatus> {
    this.#ended ??= this.#exit();
    return this.#ended;
  }

  async #exit(): Promise<ExitStatus> {
    const [exit] = unwrap(await this.#native.next());
    const status = exit && exitStatus(exit);
    if (status === undefined) throw new Error("bug: a program ended without a status");
    return status;
  }

  endLog(): void {
    this.#log?.end();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#input === undefined) throw pipeClosed();
    await this.#input.write(bytes);
  }

  closeInput(): void {
    this.#input?.end();
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#native.signal(constants.signals[signal]);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.kill("SIGKILL");
    this.output.close();
    const closing = [this.output.closed, this.#input?.close(), this.#log?.close()];
    await Promise.all([this.ended, ...closing]);
  }
}

/** The log of a program that has no log pipe. */
const nothing: AsyncIterable<Uint8Array> = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
};

/** A log pipe, whose write end is kept: it does not end when the program does, which may have handed it on. */
class LogPipe {
  readonly reader: PipeReader;
  #write: number | undefined;

  constructor(read: number, write: number) {
    this.reader = new PipeReader(read);
    this.#write = write;
  }

  end(): void {
    this.reader.drain();
    this.#closeWrite();
  }

  async close(): Promise<void> {
    this.reader.close();
    this.#closeWrite();
    await this.reader.closed;
  }

  #closeWrite(): void {
    if (this.#write !== undefined) closeSync(this.#write);
    this.#write = undefined;
  }
}

/** Writes to a pipe of ours. A reader that is gone is an error of the write, not a signal: Node ignores SIGPIPE. */
class PipeWriter {
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  #pending = 0;

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: false, writable: true });
    this.#socket.on("error", () => {}); // told by the write that failed
    this.#closed = new Promise((resolve) => this.#socket.on("close", () => resolve()));
    this.#socket.unref();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#socket.destroyed || this.#socket.writableEnded) throw pipeClosed();
    this.#pending += 1;
    this.#socket.ref();
    try {
      await new Promise<void>((resolve, reject) =>
        this.#socket.write(bytes, (error) => (error ? reject(pipeClosed(error)) : resolve())),
      );
    } finally {
      this.#pending -= 1;
      if (this.#pending === 0) this.#socket.unref();
    }
  }

  end(): void {
    this.#socket.end();
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.#closed;
  }
}

function pipeClosed(cause?: Error): SandboxError {
  const message = "the program does not read its standard input any more";
  return new SandboxError(
    { code: "ERR_PIPE_CLOSED", message, step: "write", errno: constants.errno.EPIPE },
    { cause },
  );
}
