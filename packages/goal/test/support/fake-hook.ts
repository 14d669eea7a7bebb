import { bytesOf, concatBytes } from "@drvkit/drv-parser";
import { type HookProcess, makeProcessHook, type ProcessHook } from "../../src/hook/index.js";
import type { ExitStatus } from "../../src/index.js";
import { type MemoryPorts, memoryPorts } from "../../src/testing/index.js";
import { World } from "./world.js";

/** Bytes that the test feeds, for one reader. */
class Feed implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  push(text: string | Uint8Array): void {
    this.#chunks.push(typeof text === "string" ? bytesOf(text) : text);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) yield chunk;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** A hook that does what the test says. */
export class FakeHook implements HookProcess {
  readonly output = new Feed();
  readonly log = new Feed();
  readonly signals: string[] = [];
  readonly ended: Promise<ExitStatus>;
  inputClosed = false;
  closed = false;
  /** It does not read any more. */
  isDeaf = false;
  /** It ends at SIGTERM. */
  obeysTerm = true;
  #end: (status: ExitStatus) => void = () => undefined;
  #received: Uint8Array[] = [];
  #heard: (() => void)[] = [];
  #isOver = false;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** It writes to its standard output. */
  say(...lines: readonly string[]): void {
    this.output.push(lines.map((line) => `${line}\n`).join(""));
  }

  exit(code: number): void {
    this.#over({ kind: "exited", code });
  }

  die(signal = 9): void {
    this.#over({ kind: "signalled", signal });
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.isDeaf || this.#isOver) throw Object.assign(new Error("EPIPE"), { code: "ERR_PIPE_CLOSED" });
    this.#received.push(bytes);
    for (const heard of this.#heard.splice(0)) heard();
  }

  /** What it was told since the last call, once there is something. */
  async heard(): Promise<Uint8Array> {
    if (this.#received.length === 0) await new Promise<void>((resolve) => this.#heard.push(resolve));
    return concatBytes(this.#received.splice(0));
  }

  closeInput(): void {
    this.inputClosed = true;
  }

  endLog(): void {
    this.log.end();
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    if (this.#isOver) return;
    this.signals.push(signal);
    if (signal === "SIGKILL" || this.obeysTerm) this.die(signal === "SIGKILL" ? 9 : 15);
  }

  async close(): Promise<void> {
    this.kill("SIGKILL");
    this.endLog();
    this.closed = true;
  }

  #over(status: ExitStatus): void {
    this.#isOver = true;
    this.output.end();
    this.#end(status);
  }
}

/** A world with a build hook whose processes the test conducts. */
export class HookWorld extends World {
  readonly hooks: FakeHook[] = [];
  readonly hook: ProcessHook;
  readonly #waiting: ((hook: FakeHook) => void)[] = [];
  readonly #unseen: FakeHook[] = [];

  constructor(
    settings: ReadonlyMap<string, string> = new Map(),
    ports: MemoryPorts = memoryPorts(),
    start: () => FakeHook = () => new FakeHook(),
  ) {
    const hook = makeProcessHook({ settings, clock: ports.clock, start: async () => this.#started(start()) });
    super({ ...ports, buildHook: hook });
    this.hook = hook;
  }

  /** The next hook that was or will be started. */
  nextHook(): Promise<FakeHook> {
    const hook = this.#unseen.shift();
    return hook === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(hook);
  }

  #started(hook: FakeHook): FakeHook {
    this.hooks.push(hook);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#unseen.push(hook);
    else waiting(hook);
    return hook;
  }
}
