import type { StorePath } from "@drvkit/drv-parser";

/** Whether a builder has namespaces and a root of its own. */
export type Isolation = "sandbox" | "none";

/** One build, as the goal sees it: store paths, bytes, no place on this machine. */
export interface BuildSpec {
  readonly drvPath: StorePath;
  /** The derivation is in no store. */
  readonly isInMemory: boolean;
  readonly platform: string;
  readonly isolation: Isolation;
  /** As many user ids as a machine has, the first of them root inside (feature `uid-range`). */
  readonly idRange: boolean;
  /** Build directory as the builder sees it. */
  readonly buildDir: string;
  readonly builder: Uint8Array;
  /** All of argv, `argv[0]` included. */
  readonly argv: readonly Uint8Array[];
  /** Sorted by name. */
  readonly env: readonly (readonly [name: Uint8Array, value: Uint8Array])[];
  /** Files of the build directory, one path component each. */
  readonly files: readonly { readonly name: string; readonly content: Uint8Array }[];
  /** Exactly what the builder may see of the store. */
  readonly inputs: readonly StorePath[];
  /** Where the builder writes. */
  readonly outputs: readonly StorePath[];
  /** `host` for fixed outputs only. */
  readonly network: "private" | "host";
  /** Paths of this machine that the derivation asks to see (`__impureHostDeps`). */
  readonly impureHostDeps: readonly string[];
}

/** User ids on this machine, from the first one up. */
export interface UidRange {
  readonly first: number;
  readonly count: number;
}

/** What a build used, processes that it started included. */
export interface BuildUsage {
  readonly cpuUserMicroseconds: number;
  readonly cpuSystemMicroseconds: number;
  readonly memoryPeakBytes?: number;
}

export type ExitStatus =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: number };

export type SandboxEvent =
  | { readonly type: "output"; readonly bytes: Uint8Array }
  | { readonly type: "eof" }
  | { readonly type: "exit"; readonly status: ExitStatus };

/** A running builder. Iterate once; the iteration ends after `exit`. */
export interface RunningBuild extends AsyncIterable<SandboxEvent> {
  readonly isolation: Isolation;
  /** Names of the isolation layers in force. */
  readonly layers: readonly string[];
  /** The owners that files of the builder may have, when they are not the caller. */
  readonly builderUids: UidRange | undefined;
  /** Their group. */
  readonly builderGid?: number | undefined;
  /** Build directory on this machine. */
  readonly buildDir: string;
  /** Whether the machine's own tools were visible (`--host-tools`). */
  readonly hostTools: boolean;
  /** Where the tree of an output is on this machine once the builder ended. */
  scratchLocation(output: StorePath): string;
  /** What it used so far, where that is counted. */
  usage(): BuildUsage | undefined;
  /** SIGKILL to the whole tree; idempotent. */
  kill(): void;
  /**
   * Removes everything the build used on this machine. With `keepBuildDir` the build directory stays (readable) and its path is
   * returned. Idempotent; kills first when still running.
   */
  close(options: { readonly keepBuildDir: boolean }): Promise<string | undefined>;
}

export interface SandboxPort {
  /** Where the build directory appears inside a sandbox. */
  readonly buildDirInside: string;
  /**
   * A new place for the build directory of a builder that is not isolated, not made yet. Absent where the store's directory is
   * elsewhere on this machine than builders are told: nothing can be built there without isolation.
   */
  readonly unconfinedBuildDir?: ((drvPath: StorePath) => Promise<string>) | undefined;
  /**
   * Resolves once the builder runs, or with `undefined` when no user id is free for it now; throws `ERR_SANDBOX_…` when
   * set-up fails: such a build never starts.
   */
  start(spec: BuildSpec, signal: AbortSignal): Promise<RunningBuild | undefined>;
}
