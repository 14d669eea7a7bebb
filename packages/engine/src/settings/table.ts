import { availableParallelism } from "node:os";
import { canBuildersUse } from "./can-use.js";

/** How a setting's text is read: the forms of `nix.conf`. */
export type SettingKind = "boolean" | "integer" | "jobs" | "string" | "list" | "choice";

interface SettingOf<Kind extends SettingKind, Value> {
  readonly kind: Kind;
  readonly initial: () => Value;
  /** One line for `--help`. */
  readonly about: string;
}

const boolean = (initial: boolean, about: string): SettingOf<"boolean", boolean> => ({
  kind: "boolean",
  initial: () => initial,
  about,
});
const integer = (initial: number, about: string): SettingOf<"integer", number> => ({
  kind: "integer",
  initial: () => initial,
  about,
});
const string = (initial: string, about: string): SettingOf<"string", string> => ({
  kind: "string",
  initial: () => initial,
  about,
});
const list = (initial: readonly string[], about: string): SettingOf<"list", readonly string[]> => ({
  kind: "list",
  initial: () => initial,
  about,
});
/** One of a few words; the first spelling of each is its value. */
const choice = <Word extends string>(
  initial: Word,
  words: readonly Word[],
  about: string,
): SettingOf<"choice", Word> & { readonly words: readonly Word[] } => ({
  kind: "choice",
  initial: () => initial,
  words,
  about,
});
const jobs = (about: string): SettingOf<"jobs", number> => ({ kind: "jobs", initial: () => 1, about });
const cores = (about: string): SettingOf<"integer", number> => ({
  kind: "integer",
  initial: () => availableParallelism(),
  about,
});

/** What this machine can do: ids for a whole machine are root's to give, and virtual machines need the device. */
const features = (about: string): SettingOf<"list", readonly string[]> => ({
  kind: "list",
  initial: () => [
    "nixos-test",
    "benchmark",
    "big-parallel",
    ...(isRoot() ? ["uid-range"] : []),
    ...(canBuildersUse("/dev/kvm") ? ["kvm"] : []),
  ],
  about,
});
const required = (about: string): SettingOf<"boolean", boolean> => ({
  kind: "boolean",
  initial: isRoot,
  about,
});

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Nix's name of this machine's architecture, for example `x86_64-linux`. */
export function machineSystem(arch: string = process.arch, platform: string = process.platform): string {
  const names: Readonly<Record<string, string>> = {
    x64: "x86_64",
    arm64: "aarch64",
    ia32: "i686",
    arm: "armv7l",
  };
  return `${names[arch] ?? arch}-${platform}`;
}

/** Every setting: its name as in `nix.conf`, how it is read, its default. The one place where settings are declared. */
export const settingTable = {
  "max-jobs": jobs("builds at the same time (`auto`: number of CPUs; 0: none)"),
  cores: cores("value of NIX_BUILD_CORES (0: number of CPUs)"),
  "keep-going": boolean(false, "go on with other builds after one failed"),
  "keep-failed": boolean(false, "keep the build directory of a failed build"),
  timeout: integer(0, "seconds that one build may take (0: no limit)"),
  "max-silent-time": integer(0, "seconds without output that one build may take (0: no limit)"),
  "max-build-log-size": integer(0, "bytes of log that one build may write (0: no limit)"),
  "log-lines": integer(10, "log lines shown when a build fails"),
  "keep-build-log": boolean(true, "write a log file"),
  "compress-build-log": boolean(true, "compress a log once its build ended"),
  "build-log-compression": string("bzip2", "how: `bzip2` as Nix, or `zstd`"),
  "fsync-store-paths": boolean(false, "wait until an object is on the disk before it becomes valid"),
  "json-log-path": string("", "file that messages are appended to as JSON, one per line"),
  "build-poll-interval": integer(5, "seconds between two tries for a lock"),
  system: string(machineSystem(), "system this machine builds for"),
  "extra-platforms": list(process.arch === "x64" ? ["i686-linux"] : [], "further systems this machine runs"),
  "system-features": features("features that derivations may require"),
  "experimental-features": list([], "experimental Nix features that are on"),
  "build-hook": string("", "program that may build elsewhere, and its arguments"),
  builders: string("", "machines for the build hook, separated by `;`; `@FILE` names a file of them"),
  "builders-use-substitutes": boolean(false, "let other machines obtain inputs themselves"),
  "post-build-hook": string("", "program that is run after each build"),
  "run-diff-hook": boolean(false, "run the program of `diff-hook` when a check finds a difference"),
  "diff-hook": string("", "program that is given two outputs that differ"),
  substitute: boolean(true, "obtain what others offer instead of building it"),
  fallback: boolean(false, "build when what others offered does not come"),
  "always-allow-substitutes": boolean(false, "also for derivations that say otherwise"),
  "max-substitution-jobs": integer(16, "objects obtained at the same time (at least 1)"),
  "require-sigs": boolean(true, "take nothing from others that no trusted key signed"),
  "trusted-public-keys": list([], "keys whose signatures count, `NAME:BASE64`"),
  "secret-key-files": list([], "files of the keys that sign"),
  sandbox: choice(
    "true",
    ["true", "relaxed", "false"],
    "isolate builds (`relaxed`: but those that ask not to be, and impure ones)",
  ),
  "sandbox-fallback": boolean(false, "build without isolation where it cannot be had"),
  "sandbox-paths": list([], "paths visible inside, `target`, `target=source`, with `?` optional"),
  "sandbox-writable-paths": list([], "those sandbox paths that builders may write to"),
  "allowed-impure-host-deps": list([], "paths of this machine that derivations may ask to see"),
  "pre-build-hook": string("", "program that says what else appears inside"),
  "host-tools": boolean(false, "show the machine's own tools (/usr, /bin, /lib, /lib64) inside"),
  "sandbox-build-dir": string("/build", "where the build directory appears inside"),
  "sandbox-dev-shm-size": string("50%", "size of /dev/shm inside"),
  "build-dir": string("", "where build directories are made (default: in the store's state)"),
  "filter-syscalls": boolean(true, "refuse system calls that make set-uid files"),
  "allow-new-privileges": boolean(false, "let programs gain rights by set-uid files"),
  "require-drop-supplementary-groups": required(
    "refuse to build with supplementary groups of the caller (default: for root)",
  ),
  "impersonate-linux-26": boolean(false, "the kernel calls itself 2.6"),
  "ssl-cert-file": string("", "certificates for builds with network (default: the machine's)"),
  "fixed-output-network": choice(
    "host",
    ["host", "pasta", "slirp4netns"],
    "network of builds with a fixed output: the machine's, or their own that a program connects",
  ),
  "use-cgroups": choice(
    "auto",
    ["auto", "true", "false"],
    "a control group for each build (`auto`: if possible)",
  ),
  "max-build-memory": integer(0, "bytes of memory that one build may have (0: no limit)"),
  "max-build-processes": integer(0, "processes and threads that one build may have (0: no limit)"),
  "max-build-cpus": integer(0, "processors that one build may use (0: no limit)"),
  "build-users-group": string("", "group whose members builds run as when root builds"),
  "start-id": integer(872_415_232, "first user id that root gives to builds"),
  "id-count": integer(65_536 * 128, "number of user ids that root gives to builds"),
} as const;

export type SettingName = keyof typeof settingTable;

/** A complete set of settings. */
export type Settings = {
  readonly [Name in SettingName]: ReturnType<(typeof settingTable)[Name]["initial"]>;
};

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settingTable, name);
}

/** The compiled-in defaults. */
export function defaultSettings(): Settings {
  return Object.fromEntries(
    Object.entries(settingTable).map(([name, setting]) => [name, setting.initial()]),
  ) as Settings;
}
