import { readSync } from "node:fs";
import { Socket } from "node:net";
import { SandboxError } from "./error.js";

/** What is still read of a pipe when it is to end: whoever has its write end may write for ever. */
const drainLimitBytes = 1024 * 1024;
const chunkBytes = 64 * 1024;

/**
 * Reads a pipe of ours. What nobody asks for stays in the pipe but for a few chunks, so that its writer waits. A reader that leaves its
 * loop can come back; Node does not stay alive for a pipe that nobody waits for.
 */
export class PipeReader implements AsyncIterable<Uint8Array> {
  /** Settles when the descriptor is closed. */
  readonly closed: Promise<void>;
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #chunks: Uint8Array[] = [];
  readonly #waiting: (() => void)[] = [];
  #failure: unknown;
  #ended = false;

  constructor(fd: number) {
    this.#fd = fd;
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#socket.pause();
      this.#wake();
    });
    this.#socket.on("error", (error) => {
      this.#failure = error;
    });
    this.closed = new Promise((resolve) => {
      this.#socket.on("close", () => {
        this.#end();
        resolve();
      });
    });
    this.#socket.unref();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) yield chunk;
  }

  /** Takes what is in the pipe at this moment, then closes it: readers get that, then the end. */
  drain(): void {
    if (this.#socket.destroyed) return;
    while (this.#socket.read() !== null); // goes to "data"
    try {
      this.#readAtOnce();
    } catch (error) {
      this.#failure = error;
    }
    this.close();
  }

  /** Readers get what was read already, then the end. */
  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  async #next(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && !this.#ended) {
      const woken = new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.#socket.ref();
      this.#socket.resume();
      await woken;
      if (this.#waiting.length === 0) this.#socket.unref();
    }
    const chunk = this.#chunks.shift();
    if (chunk === undefined && this.#failure !== undefined) throw readFailure(this.#failure);
    return chunk;
  }

  #readAtOnce(): void {
    for (let left = drainLimitBytes; left > 0; ) {
      const chunk = new Uint8Array(Math.min(left, chunkBytes));
      const length = readIfThere(this.#fd, chunk);
      if (length === 0) return;
      this.#chunks.push(chunk.subarray(0, length));
      left -= length;
    }
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** How much there was; nothing when the descriptor, which does not block, would have to wait. */
function readIfThere(fd: number, chunk: Uint8Array): number {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return 0;
    throw error;
  }
}

function readFailure(cause: unknown): SandboxError {
  const message = `cannot read what a program writes: ${cause instanceof Error ? cause.message : cause}`;
  return new SandboxError({ code: "ERR_OS", message }, { cause });
}
