import type { StorePath } from "@drvkit/drv-parser";

/** One build, as the goal sees it: store paths, bytes, no place on this machine. */
export interface BuildSpec {
  readonly drvPath: StorePath;
  readonly platform: string;
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
  /** Names of the isolation layers in force. */
  readonly layers: readonly string[];
  /** The owner that files of the builder must have, when it is not the caller. */
  readonly builderUid: number | undefined;
  /** Build directory on this machine. */
  readonly buildDir: string;
  /** Whether the machine's own tools were visible (`--host-tools`). */
  readonly hostTools: boolean;
  /** Where the tree of an output is on this machine once the builder ended. */
  scratchLocation(output: StorePath): string;
  /** SIGKILL to the whole tree; idempotent. */
  kill(): void;
  /**
   * Removes everything the build used on this machine. With `keepBuildDir` the build directory stays (readable) and its path is
   * returned. Idempotent; kills first when still running.
   */
  close(options: { readonly keepBuildDir: boolean }): Promise<string | undefined>;
}

export interface SandboxPort {
  /** Where the build directory appears inside. */
  readonly buildDirInside: string;
  /**
   * Resolves once the builder runs, or with `undefined` when no user id is free for it now; throws `ERR_SANDBOX_…` when
   * set-up fails: such a build never starts.
   */
  start(spec: BuildSpec, signal: AbortSignal): Promise<RunningBuild | undefined>;
}
