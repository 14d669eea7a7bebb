/** How one bind mount appears inside: `source` on this machine, `target` absolute inside. */
export interface SandboxBind {
  readonly source: string;
  readonly target: string;
  readonly writable: boolean;
  /** Skip it when the source does not exist (ENOENT, ENOTDIR). */
  readonly optional: boolean;
}

/** A file placed in the build directory before the builder starts; `name` is one path component. */
export interface SandboxFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Everything the helper needs to become the builder. All paths absolute; bytes where they may be no UTF-8. */
export interface SandboxSpec {
  /** Path of the program inside the sandbox. */
  readonly builder: Uint8Array;
  /** All of argv, `argv[0]` included. */
  readonly argv: readonly Uint8Array[];
  /** `NAME=value` each, in the order in which they are passed. */
  readonly env: readonly Uint8Array[];
  /**
   * Directory that the call creates with mode 0700 (it must not exist, or is a left-over that is removed first);
   * what the builder leaves in the store directory is in `store/` in it. It lies on the file system of the store so
   * that outputs can be renamed out.
   */
  readonly chrootDir: string;
  /** Logical store directory: an empty writable directory inside, where inputs are bound and outputs appear. */
  readonly storeDir: string;
  /** Directory that the call creates with mode 0700; the build directory is `build/` in it. */
  readonly tempDir: string;
  /** Where the build directory appears inside, usually `/build`. */
  readonly buildDir: string;
  readonly files: readonly SandboxFile[];
  readonly binds: readonly SandboxBind[];
  /**
   * `private`: own network namespace with loopback only. `host`: shared (fixed-output builds). `program`: own, which
   * `networkProgram` connects; the builder starts once it has a default route.
   */
  readonly network: "private" | "host" | "program";
  /** All of argv of a program such as pasta, its absolute path first; `{pid}` stands for the pid of the builder. */
  readonly networkProgram?: readonly string[];
  /**
   * Ids outside; when root starts a build these are allocated ids, else the caller's own. Root first ends every process
   * of this machine that runs under `hostUid`, so it must be nobody's account and no other running build's.
   */
  readonly hostUid: number;
  readonly hostGid: number;
  /**
   * 65,536 ids from `hostUid` and `hostGid` on, the first of which is root inside, with /sys and a root file system that it may
   * write to. Only root can give them. Default: one id, an ordinary user inside.
   */
  readonly idRange?: boolean;
  /** No start where supplementary groups stay. Default: false, they show as 65534 inside. */
  readonly groupsMustGo?: boolean;
  /** Directory of an existing control group; the builder is moved there before it runs. */
  readonly cgroup?: string;
  /** `false` leaves the filter of system calls out: a builder can then make set-uid files. */
  readonly filterCalls?: boolean;
  /** `true`: programs may gain rights by set-uid files. */
  readonly newPrivileges?: boolean;
  /** The kernel calls itself 2.6. */
  readonly linux26?: boolean;
  /** Personality of 32-bit x86 (`i686-linux`). */
  readonly personality32: boolean;
  /** Size option of the tmpfs on /dev/shm, for example `50%`. */
  readonly devShmSize: string;
  /** Bind /dev/kvm when it exists. */
  readonly kvm: boolean;
}

/** What is needed to start a builder without a sandbox: the fields of a {@link SandboxSpec} that mean the same. */
export type UnconfinedSpec = Pick<
  SandboxSpec,
  | "builder"
  | "argv"
  | "env"
  | "files"
  | "hostUid"
  | "hostGid"
  | "groupsMustGo"
  | "cgroup"
  | "filterCalls"
  | "newPrivileges"
  | "linux26"
  | "personality32"
> & {
  /** Directory that the call creates with mode 0700; the builder works in it. */
  readonly tempDir: string;
};

/** What a sandbox is begun with, before anything is known of its builder: the fields of a {@link SandboxSpec} that mean the same. */
export type SandboxBase = Pick<SandboxSpec, "hostUid" | "hostGid" | "idRange" | "groupsMustGo" | "cgroup"> & {
  readonly network: "private" | "host";
};

/** A sandbox that waits for its builder. */
export interface SandboxBeginning {
  /** Ends it, unless a builder was started in it; idempotent. */
  end(): Promise<void>;
  readonly [beginning]: true;
}
declare const beginning: unique symbol;

/** Layers that were applied, in order of application. */
export type SandboxLayer =
  | "user-namespace"
  | "mount-namespace"
  | "pid-namespace"
  | "network-namespace"
  | "ipc-namespace"
  | "uts-namespace"
  | "pivot-root"
  | "no-new-privs"
  | "seccomp"
  | "landlock"
  | "session-keyring"
  | "dropped-groups"
  | "cgroup"
  | "allocated-uid";

/** What a running builder does: bytes of its terminal, the end of its output, its end. `exit` comes last. */
export type SandboxEvent =
  | { readonly type: "output"; readonly bytes: Uint8Array }
  | { readonly type: "eof" }
  | { readonly type: "exit"; readonly status: ExitStatus };

/** `code` of a normal end or `signal` number that ended it. */
export type ExitStatus =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: number };

/** A builder whose set-up has succeeded. Iterate once; iteration ends after `exit`. */
export interface SandboxProcess extends AsyncIterable<SandboxEvent> {
  readonly pid: number;
  readonly layers: readonly SandboxLayer[];
  /** SIGKILL to the whole process tree; the iterator still delivers `exit`. Idempotent. */
  kill(): void;
}

/** NAR hash of a tree and which of the given hash parts occur in it. */
export interface ScanResult {
  readonly narHash: Uint8Array;
  readonly narSizeBytes: number;
  /** The subset of the given hash parts that occur, in byte order. */
  readonly found: readonly string[];
}

/** What `statTree` says of the top of a tree, without following a link. */
export interface TreeStat {
  readonly type: "regular" | "directory" | "symlink" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly sizeBytes: number;
}

/** An exclusive `flock`; closing releases it. */
export interface FileLock {
  /** Unlink the file and mark it stale (byte `d`) before releasing. */
  releaseAndDelete(): void;
  release(): void;
}

/** One thing `probeSandbox` looked at on this machine. */
export interface LayerProbe {
  readonly layer: SandboxLayer | "new-proc" | "cgroup2";
  readonly works: boolean;
  /** Whether a build is refused when it does not work. */
  readonly required: boolean;
  readonly detail: string;
  /** Which setting of the machine changes it. */
  readonly hint?: string;
}
