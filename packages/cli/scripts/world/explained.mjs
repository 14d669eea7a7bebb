const ownerOfRoots = {
  what: "owner of what is root's, to a builder of root",
  nix: "without build users the builder, who is root outside",
  ours: "`nobody`: the builder has an id of its own, and may change no setting below `/proc/sys`",
  user: "root",
};

const sandboxPaths = {
  what: "sandbox paths",
  nix: "writable for whoever may write to them",
  ours: "read-only, but for those in `sandbox-writable-paths`",
};

/**
 * What is known to differ in what a builder sees: `keys` of the report, in which `cases`, for which `user`. `what`, `nix` and `ours`
 * are a row of docs/compatibility.md. A key may be equal where Nix's value matches `unless`: this machine does not show it.
 */
export const explained = [
  {
    ...ownerOfRoots,
    keys: [
      ...["uid_map", "gid_map", "descriptor 0", open("/folder/file")],
      ...[
        "/bin/world",
        "/shared",
        "/folder",
        "/folder/file",
        "/nix/store",
        "/nix/store/lib",
        "/proc",
        "/tmp",
      ].map(list),
      ...["full", "null", "random", "tty", "urandom", "zero", "shm", "pts/ptmx"].map((name) =>
        list(`/dev/${name}`),
      ),
    ],
  },
  { ...ownerOfRoots, keys: kernelSettings().map(open), unless: /^E/u },
  {
    what: "owner of the network's files, to a builder of root",
    nix: "without build users the builder",
    ours: "`nobody`",
    user: "root",
    cases: ["fixedWorld"],
    keys: networkFiles().map(list),
    unless: /^-$/u,
  },
  {
    what: "control group, to a builder of root",
    nix: "the machine's, unless `use-cgroups` or `uid-range` ask for one",
    ours: "its own where cgroup v2 is mounted; what it sees of all groups begins at those it is in",
    user: "root",
    keys: ["cgroup", "namespace cgroup"],
    unless: /./u,
  },
  {
    what: "certificates, to a fixed output",
    nix: "none; in later versions those of `ssl-cert-file`",
    ours: "those of `ssl-cert-file`, else the machine's, read-only",
    cases: ["fixedWorld"],
    keys: [
      list("/etc/ssl"),
      mount("/etc/ssl/certs/ca-certificates.crt"),
      "content /etc/ssl/certs/ca-certificates.crt",
    ],
    unless: /^-$/u,
  },
  {
    what: "options of mounts",
    nix: "those of the machine; all of `/proc` and `/dev/pts`",
    ours: "`nosuid`, and `nodev` where no device is; `noexec` for `/proc` and `/dev/pts`",
    keys: ["/build", "/proc", "/dev/pts", "/dev/shm"].map(mount),
    unless: /nosuid,nodev/u,
  },
  {
    what: "options of devices",
    nix: "those of the machine",
    ours: "`nosuid` as well",
    keys: ["full", "null", "random", "tty", "urandom", "zero"].map((name) => mount(`/dev/${name}`)),
    unless: /nosuid/u,
  },
  {
    what: "root of the sandbox inside",
    nix: "a directory on disk, owned by `nobody`",
    ours: "a tmpfs of its own, read-only and owned by the builder as everything of an ordinary user's build is; the store directory, `/tmp` and the build directory are on disk",
    keys: [
      ...["/", "/tmp"].map(mount),
      "try change the mode of /",
      ...["/x", "/bin/x", "/dev/x", "/nix/x"].map(create),
    ],
  },
  {
    what: "the store directory inside",
    nix: "a shared mount, for what recursive builds add",
    ours: "a private one",
    keys: [mount("/nix/store")],
  },
  {
    what: "`/etc` inside",
    nix: "the builder's, who may write there; later 0555",
    ours: "0555 and read-only",
    keys: [list("/etc"), "try change the mode of /etc", create("/etc/x"), open("/etc/passwd")],
  },
  {
    what: "`/etc/hosts` inside",
    nix: "may be written to by its owner",
    ours: "read-only",
    cases: ["world", "world32"],
    keys: [open("/etc/hosts")],
  },
  {
    what: "the network's files",
    nix: "bound as they are",
    ours: "read-only binds",
    cases: ["fixedWorld"],
    keys: networkFiles().map(mount),
    unless: /^-$/u,
  },
  {
    what: "`/etc/hosts` of the machine, to a builder of root",
    nix: "without build users root may write to it",
    ours: "nobody may",
    user: "root",
    cases: ["fixedWorld"],
    keys: [open("/etc/hosts")],
    unless: /^E/u,
  },
  {
    what: "store inputs in the sandbox of an ordinary user",
    nix: "writable for the builder's own user",
    ours: "read-only binds; the root file system is read-only too, except the store directory, `/tmp` and the build directory",
    keys: [mount("/nix/store/lib"), "try change the mode of an input", "try remove an input"],
  },
  {
    ...sandboxPaths,
    keys: [...["/bin/world", "/shared", "/folder"].map(mount), open("/shared"), create("/folder/x")],
  },
  { ...sandboxPaths, user: "ordinary", keys: [open("/folder/file")] },
  {
    what: "a sandbox path that is a link",
    nix: "what it leads to; later the link",
    ours: "the link",
    keys: [list("/link"), mount("/link")],
  },
  {
    what: "`/dev/kvm`",
    nix: "where whoever builds may open it",
    ours: "where `system-features` has `kvm`",
    keys: [list("/dev/kvm"), mount("/dev/kvm")],
    unless: /^-$/u,
  },
  {
    what: "flags of the terminal's descriptors",
    nix: "`O_LARGEFILE`: opened by name",
    ours: "`O_CLOEXEC`, without effect: opened through the other end",
    keys: ["descriptor 1", "descriptor 2"],
  },
  {
    what: "session keyring",
    nix: "that of the user, which builds share",
    ours: "a new one, with nothing in it",
    keys: ["keyring session"],
    unless: /^\(E/u,
  },
  {
    what: "soft limit of open files",
    nix: "that of whoever builds",
    ours: "1024: Node raises its own and does not say from what",
    keys: ["limit Max open files"],
    unless: /^1024 /u,
  },
  {
    what: "signal at the death of the engine",
    nix: "none, as a change of user clears it; later SIGKILL",
    ours: "SIGKILL",
    keys: ["death signal"],
  },
  {
    what: "`prctl(PR_SET_PDEATHSIG)` in a builder",
    nix: "allowed, so that a builder can outlive a killed daemon",
    ours: "refused (EPERM) for any signal but SIGKILL: the tree ends with the engine",
    keys: ["try clear the death signal"],
  },
  {
    what: "getting, listing and removing extended attributes",
    nix: "allowed; later getting and listing are ENOTSUP",
    ours: "ENOTSUP, as setting is in both",
    keys: ["get an extended attribute", "list extended attributes", "remove an extended attribute"].map(
      attempt,
    ),
    unless: /^EOPNOTSUPP$/u,
  },
  {
    what: "`io_uring` and `openat2`",
    nix: "allowed, past the filter of modes",
    ours: "ENOSYS",
    keys: ["io_uring", "openat2"].map(attempt),
    unless: /^ENOSYS$/u,
  },
  {
    what: "files that are created with a set-id bit",
    nix: "allowed; only changing a mode to one is not",
    ours: "EPERM",
    keys: ["set user id by open", "set user id by mknod"].map(attempt),
  },
  {
    what: "`NIX_ATTRS_SH_FILE`, `NIX_ATTRS_JSON_FILE`",
    nix: "where the files are outside; later inside",
    ours: "where they are inside",
    cases: ["structured", "structuredEmpty", "structuredGraph"],
    keys: ["environment NIX_ATTRS_JSON_FILE", "environment NIX_ATTRS_SH_FILE"],
  },
  {
    what: "integral numbers beyond 2^31 in `.attrs.sh`",
    nix: "garbage",
    ours: "exact digits",
    cases: ["structured"],
    keys: [
      list("/build/.attrs.sh"),
      ...["below", "grisu", "huge", "large", "max", "maxSigned", "maxUnsigned", "minSigned", "overInt"].map(
        declared,
      ),
      ...["overUnsigned", "past53", "underInt", "underSigned"].map(declared),
    ],
  },
  {
    what: "what is wrong with a `__json`",
    nix: "in the words of its JSON library",
    ours: "offset, expected and found",
    cases: ["structuredBroken", "structuredArray", "structuredOverflow"],
    keys: ["error"],
  },
  {
    what: "`exportReferencesGraph` with an odd number of words, or a path outside the store",
    nix: "rejects the build, exit status 100; later 1",
    ours: "an error of the derivation, exit status 1",
    cases: ["graphOdd", "graphElsewhere"],
    keys: ["status"],
  },
];

/** The row of docs/compatibility.md that explains. */
export const rowOf = ({ what, nix, ours }) => `| ${what} | ${nix} | ${ours} |`;

function kernelSettings() {
  return [
    "kernel/core_pattern",
    "kernel/domainname",
    "kernel/hostname",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
  ].map((name) => `/proc/sys/${name}`);
}

function networkFiles() {
  return ["/etc/hosts", "/etc/resolv.conf", "/etc/services"];
}

function list(path) {
  return `list ${path}`;
}

function mount(path) {
  return `mount ${path}`;
}

function attempt(what) {
  return `try ${what}`;
}

function create(path) {
  return attempt(`create ${path}`);
}

function open(path) {
  return attempt(`open ${path} for writing`);
}

function declared(name) {
  return `declared ${name}`;
}
