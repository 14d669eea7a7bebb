import { readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Outcome, unwrap } from "./error.js";
import { isMapped } from "./id-map.js";
import { loadAddon } from "./platform.js";
import { removeTree } from "./trees.js";
import type {
  ExitStatus,
  LayerProbe,
  SandboxBase,
  SandboxBeginning,
  SandboxEvent,
  SandboxLayer,
  SandboxProcess,
  SandboxSpec,
  UnconfinedSpec,
} from "./types.js";

/** An event as the addon reports it. */
export interface NativeEvent {
  readonly kind: "output" | "eof" | "exited" | "signalled";
  readonly bytes?: Uint8Array;
  readonly number?: number;
}

interface NativeProcess {
  readonly pid: number;
  readonly layers: readonly SandboxLayer[];
  next(): Promise<Outcome<readonly NativeEvent[]>>;
  kill(): void;
}

interface NativeBeginning {
  end(): Promise<Outcome<void>>;
}

interface SandboxAddon {
  beginSandbox(base: SandboxBase): Promise<Outcome<NativeBeginning>>;
  startSandbox(spec: SandboxSpec, begun?: NativeBeginning): Promise<Outcome<NativeProcess>>;
  startUnconfined(spec: UnconfinedSpec): Promise<Outcome<NativeProcess>>;
  probeSandbox(directory: string, uid: number, gid: number): Promise<Outcome<LayerProbe[]>>;
}

const addon = () => loadAddon() as SandboxAddon;

/** The first id of automatic allocation. Nix: setting `start-id`. */
const firstAllocatedId = 872_415_232;

/**
 * Starts one builder in a sandbox of its own; resolves once the builder is about to run. What is left of an earlier
 * run in `chrootDir` and `tempDir` is removed first; afterwards both stay, and removing them is the caller's.
 *
 * A builder that cannot be executed is a build that failed: `executing '{builder}': {error}` is its output and 1 its
 * exit code.
 *
 * A sandbox that was begun with the same ids, network and group saves some of the time; it serves one start, well or not. One that has
 * ended meanwhile is as good as none.
 *
 * @throws SandboxError `ERR_SANDBOX_SPEC` for a description that contradicts itself or `begun`; `ERR_SANDBOX_UNAVAILABLE` for a
 * layer this machine does not give; `ERR_SANDBOX_SETUP` with `step`, `path` and `errno` for a step that failed;
 * `ERR_PLATFORM` where there is no sandbox.
 * @see Nix: src/libstore/linux/build/chroot-linux-derivation-builder.cc, `startChild`
 */
export async function startSandbox(spec: SandboxSpec, begun?: SandboxBeginning): Promise<SandboxProcess> {
  const { native } = (begun as BegunSandbox | undefined) ?? {};
  return new RunningBuilder(unwrap(await addon().startSandbox(spec, native)));
}

/**
 * Begins a sandbox ahead of time: what needs to know nothing of the builder is done, and takes about half of a start. It sees the
 * mounts of this machine as they are now.
 *
 * @throws SandboxError as {@link startSandbox}.
 * @example
 * const begun = await beginSandbox({ network: "private", hostUid: process.getuid(), hostGid: process.getgid() });
 * const running = await startSandbox(spec, begun);
 */
export async function beginSandbox(base: SandboxBase): Promise<SandboxBeginning> {
  const native = unwrap(await addon().beginSandbox(base));
  const begun: BegunSandbox = { native, end: async () => unwrap(await native.end()) };
  return begun as SandboxBeginning & BegunSandbox;
}

interface BegunSandbox extends Pick<SandboxBeginning, "end"> {
  readonly native: NativeBeginning;
}

/**
 * Starts one builder without namespaces and a root of its own: it sees the machine. What it leaves running ends with it, as
 * does all of it on `kill` and with this process. Ids, filter and limits are those of a sandbox.
 *
 * @throws SandboxError as {@link startSandbox}.
 */
export async function startUnconfined(spec: UnconfinedSpec): Promise<SandboxProcess> {
  return new RunningBuilder(unwrap(await addon().startUnconfined(spec)));
}

class RunningBuilder implements SandboxProcess {
  readonly pid: number;
  readonly layers: readonly SandboxLayer[];
  readonly #native: NativeProcess;
  #ended = false;

  constructor(native: NativeProcess) {
    this.#native = native;
    this.pid = native.pid;
    this.layers = native.layers;
  }

  kill(): void {
    if (!this.#ended) this.#native.kill();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SandboxEvent> {
    for (;;) {
      const events = unwrap(await this.#native.next()).map(fromNative);
      this.#ended = events.length === 0 || events.at(-1)?.type === "exit";
      yield* events;
      if (this.#ended) return;
    }
  }
}

function fromNative(event: NativeEvent): SandboxEvent {
  const status = exitStatus(event);
  if (status !== undefined) return { type: "exit", status };
  return event.kind === "eof" ? { type: "eof" } : { type: "output", bytes: event.bytes ?? new Uint8Array() };
}

/** The status that an event tells, if it is an end. */
export function exitStatus({ kind, number = 0 }: NativeEvent): ExitStatus | undefined {
  switch (kind) {
    case "exited":
      return { kind, code: number };
    case "signalled":
      return { kind, signal: number };
    case "output":
    case "eof":
      return undefined;
  }
}

/**
 * Makes a sandbox, ends it before a builder would run, and says of each layer whether it was applied. A layer that does
 * not work is an answer here, not an error.
 *
 * @throws SandboxError `ERR_PLATFORM` where there is no sandbox.
 * @example
 * const refused = (await probeSandbox()).filter((probe) => probe.required && !probe.works);
 */
export async function probeSandbox(): Promise<readonly LayerProbe[]> {
  const native = addon();
  const directory = await mkdtemp(join(tmpdir(), "drvkit-probe-"));
  try {
    const allocated = process.geteuid?.() === 0 && isHostId(firstAllocatedId);
    const [uid, gid] = allocated ? [firstAllocatedId, firstAllocatedId] : ownIds();
    return unwrap(await native.probeSandbox(directory, uid, gid));
  } finally {
    await removeTree(directory);
  }
}

function ownIds(): readonly [uid: number, gid: number] {
  return [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
}

/**
 * Whether an id exists as a user and as a group for this process: in a container, often not all do, and then
 * root there cannot run builders under ids of their own.
 *
 * @example
 * const hostUid = process.geteuid() === 0 && isHostId(872_415_232) ? 872_415_232 : process.geteuid();
 */
export function isHostId(id: number): boolean {
  return ["uid_map", "gid_map"].every((map) => isMapped(readFileSync(`/proc/self/${map}`, "utf8"), id));
}
