import { bytesOf, type StorePath } from "@drvkit/drv-parser";
import type {
  BuildSpec,
  BuildUsage,
  ExitStatus,
  Isolation,
  RunningBuild,
  SandboxEvent,
  SandboxPort,
  UidRange,
} from "../ports/sandbox.js";
import type { FakeTree } from "./fake-tree.js";
import type { FakeTrees } from "./fake-trees.js";

/** How a {@link FakeSandbox} presents itself. */
export interface FakeSandboxOptions {
  readonly layers?: readonly string[];
  readonly builderUid?: number;
  /** Refuses to start a build by returning an error. */
  readonly refuse?: (spec: BuildSpec) => Error | undefined;
  /** What each build says that it used. */
  readonly usage?: BuildUsage;
  /** Whether builds without isolation are possible. Default: no. */
  readonly canBeUnconfined?: boolean;
  /** Whether a user id is free for a build. Default: always. */
  readonly hasFreeId?: (spec: BuildSpec) => boolean;
}

/**
 * Builders that do what the test says: `const build = await sandbox.nextBuild(); build.write("…"); build.exit(0)`.
 */
export class FakeSandbox implements SandboxPort {
  readonly buildDirInside = "/build";
  /** Every build that was started, in order. */
  readonly builds: FakeBuild[] = [];
  /** Conducts every build that starts, instead of {@link nextBuild}: `(build) => build.succeed()`. */
  conduct: ((build: FakeBuild) => void) | undefined;
  readonly #unseen: FakeBuild[] = [];
  readonly #waiting: ((build: FakeBuild) => void)[] = [];

  readonly unconfinedBuildDir?: SandboxPort["unconfinedBuildDir"];

  constructor(
    private readonly trees: FakeTrees,
    private readonly options: FakeSandboxOptions = {},
  ) {
    if (options.canBeUnconfined === true) this.unconfinedBuildDir = async () => "/fake-builds/open";
  }

  async start(spec: BuildSpec, signal: AbortSignal): Promise<RunningBuild | undefined> {
    signal.throwIfAborted();
    if (this.options.hasFreeId?.(spec) === false) return undefined;
    const refused = this.options.refuse?.(spec);
    if (refused !== undefined) throw refused;
    const build = new FakeBuild(spec, this.builds.length, this.trees, this.options);
    this.builds.push(build);
    if (this.conduct !== undefined) this.conduct(build);
    else if (this.#waiting.length > 0) this.#waiting.shift()?.(build);
    else this.#unseen.push(build);
    return build;
  }

  /** The next build that was or will be started. */
  nextBuild(): Promise<FakeBuild> {
    const build = this.#unseen.shift();
    return build === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(build);
  }

  /** Builds whose builder has not ended. */
  running(): readonly FakeBuild[] {
    return this.builds.filter(({ ended }) => !ended);
  }
}

/** One builder, conducted by the test. */
export class FakeBuild implements RunningBuild {
  readonly layers: readonly string[];
  readonly builderUids: UidRange | undefined;
  readonly buildDir: string;
  readonly hostTools = false;
  readonly isolation: Isolation;
  /** The goal sent SIGKILL. */
  killed = false;
  /** The builder's process is gone. */
  ended = false;
  /** How it was closed; `undefined` until then. */
  closed: { readonly keepBuildDir: boolean } | undefined;
  readonly #events: SandboxEvent[] = [];
  #wake: (() => void) | undefined;
  #eof = false;

  constructor(
    readonly spec: BuildSpec,
    private readonly id: number,
    private readonly trees: FakeTrees,
    private readonly options: FakeSandboxOptions,
  ) {
    this.isolation = spec.isolation;
    this.layers = options.layers ?? ["fake"];
    this.builderUids = options.builderUid === undefined ? undefined : { first: options.builderUid, count: 1 };
    this.buildDir = `/fake-builds/${id}`;
  }

  usage(): BuildUsage | undefined {
    return this.options.usage;
  }

  /** The builder prints. */
  write(text: string | Uint8Array): void {
    this.#push({ type: "output", bytes: typeof text === "string" ? bytesOf(text) : text });
  }

  /** The builder writes an output. */
  put(output: StorePath, tree: FakeTree): void {
    this.trees.put(this.scratchLocation(output), tree);
  }

  /** The builder closes its output and runs on. */
  closeOutput(): void {
    if (this.#eof) return;
    this.#eof = true;
    this.#push({ type: "eof" });
  }

  /** The builder ends. */
  exit(code: number): void {
    this.#end({ kind: "exited", code });
  }

  /** Writes a file for each output and exits with 0. */
  succeed(): void {
    for (const output of this.spec.outputs) this.put(output, `made by ${this.spec.drvPath}\n`);
    this.exit(0);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<SandboxEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        yield event;
        if (event.type === "exit") return;
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  scratchLocation(output: StorePath): string {
    return `/fake-scratch/${this.id}${output}`;
  }

  kill(): void {
    if (this.ended) return;
    this.killed = true;
    this.#end({ kind: "signalled", signal: 9 });
  }

  async close(options: { readonly keepBuildDir: boolean }): Promise<string | undefined> {
    this.kill();
    this.closed ??= options;
    await this.trees.remove(`/fake-scratch/${this.id}`);
    return this.closed.keepBuildDir ? this.buildDir : undefined;
  }

  #end(status: ExitStatus): void {
    if (this.ended) return;
    this.closeOutput();
    this.ended = true;
    this.#push({ type: "exit", status });
  }

  #push(event: SandboxEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }
}
