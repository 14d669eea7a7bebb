//! The operations of which a set-up is made.

/// One option of a file system that is mounted: a flag, or a key with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOption {
    /// Name of the option.
    pub key: Vec<u8>,
    /// Its value; `None` for a flag.
    pub value: Option<Vec<u8>>,
}

/// One operation. Paths called `target` lie below the new root and are reached from its descriptor, component by
/// component, without following links; paths called `source` and `path` are those of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Gives up all supplementary groups.
    DropGroups,
    /// SIGKILL to every process of a user id of this machine.
    KillUser {
        /// User id on this machine.
        uid: u32,
    },
    /// Clones with these flags; the clone goes on, the caller reports its pid and ends.
    Clone {
        /// `CLONE_…` flags and the signal of the end.
        flags: u64,
        /// Control group that the clone is to begin in, where the kernel can do that.
        group: Option<Vec<u8>>,
    },
    /// Waits until the engine has mapped the ids.
    AwaitGo,
    /// Waits for the rest of the program: what is begun ahead does not know its builder yet.
    AwaitRest,
    /// A control group of its own as the root of what it sees of them.
    CgroupNamespace,
    /// Waits until there is a way out of the network of the namespace: somebody outside makes it.
    AwaitRoute,
    /// The rest is done by a child. This process stays until that one has ended, ends whatever the two left, and ends as the
    /// child did; SIGTERM and the end of the engine end all of it.
    Supervise {
        /// A user id of this machine of which nothing may be left either.
        uid: Option<u32>,
    },
    /// Reports that all is ready, waits for the end of the engine, and then has the kernel end a control group.
    Guard {
        /// Its file `cgroup.kill`.
        path: Vec<u8>,
    },
    /// SIGKILL when the engine's thread ends, and an immediate end if the engine is gone already.
    DeathSignal,
    /// Every signal to its default, none blocked.
    DefaultSignals,
    /// A new session, so that there is no controlling terminal.
    NewSession,
    /// The terminal becomes descriptors 1 and 2.
    Terminal,
    /// The file mode creation mask.
    Umask {
        /// Bits that new files do not get.
        mask: u32,
    },
    /// Brings the loopback interface up.
    LoopbackUp,
    /// Sets the host name.
    HostName {
        /// All bytes that are passed, the final NUL included.
        name: Vec<u8>,
    },
    /// Sets the NIS domain name.
    DomainName {
        /// All bytes that are passed, the final NUL included.
        name: Vec<u8>,
    },
    /// Stops mounts from propagating in or out.
    PrivateMounts,
    /// Mounts a new file system on the root of the namespace, which hides nothing from who has that root already; it is the
    /// new root from here on.
    NewRoot {
        /// Type of the file system.
        kind: Vec<u8>,
        /// Its options.
        options: Vec<MountOption>,
        /// Whose is what is made there when it cannot be ours, a user inside.
        uid: u32,
        /// And the group.
        gid: u32,
    },
    /// Makes a directory below the new root, with its parents; an existing one is left as it is.
    MakeDirectory {
        /// Where.
        target: Vec<u8>,
        /// Mode of the last component, when it is made.
        mode: u32,
    },
    /// Makes a file below the new root, with the directories above it; none may be there.
    MakeFile {
        /// Where.
        target: Vec<u8>,
        /// All of it.
        content: Vec<u8>,
    },
    /// Makes a symbolic link; an existing one with the same text is left.
    Symlink {
        /// Where.
        target: Vec<u8>,
        /// What it says.
        text: Vec<u8>,
    },
    /// Binds `source` at `target` with mount attributes, recursively; a link is copied as a link.
    Bind {
        /// What is shown.
        source: Vec<u8>,
        /// Where.
        target: Vec<u8>,
        /// `MOUNT_ATTR_…` bits to set on every mount of the copy.
        attributes: u64,
        /// Skip it if the source does not exist.
        optional: bool,
    },
    /// Mounts a new file system.
    Mount {
        /// Type, for example `proc`.
        kind: Vec<u8>,
        /// Where.
        target: Vec<u8>,
        /// Options of the file system.
        options: Vec<MountOption>,
        /// `MOUNT_ATTR_…` bits.
        attributes: u64,
    },
    /// Sets the mode of a directory of the new root.
    SetMode {
        /// Which.
        target: Vec<u8>,
        /// Its mode from now on.
        mode: u32,
    },
    /// Sets mount attributes of the new root alone, not of what is mounted on it.
    RootAttributes {
        /// `MOUNT_ATTR_…` bits.
        attributes: u64,
    },
    /// Makes the new root the root and lets go of the old one.
    PivotRoot,
    /// No program gains rights from here on.
    NoNewPrivileges,
    /// Joins a fresh anonymous session keyring.
    SessionKeyring,
    /// Execution domain and its flags.
    Personality {
        /// Argument of `personality`.
        persona: u64,
    },
    /// Sets a soft limit, at most the hard one.
    SoftLimit {
        /// `RLIMIT_…`.
        resource: u32,
        /// The soft limit.
        value: u64,
    },
    /// Real, effective and saved ids, verified.
    ChangeUser {
        /// User id inside.
        uid: u32,
        /// Group id inside.
        gid: u32,
    },
    /// Gives up every capability.
    DropCapabilities,
    /// The working directory, by its path inside.
    ChangeDirectory {
        /// The path.
        path: Vec<u8>,
    },
    /// Closes every descriptor above 2, but those of the log if there is one; the report's closes when the builder starts.
    CloseDescriptors {
        /// Whether there is one.
        log: bool,
    },
    /// A Landlock domain with these scopes and nothing else.
    Landlock {
        /// `LANDLOCK_SCOPE_…` bits.
        scoped: u64,
    },
    /// Loads a system call filter.
    Seccomp {
        /// Instructions of eight bytes each, in the machine's byte order.
        program: Vec<u8>,
    },
    /// Reports that all is ready and becomes the builder. One that cannot be executed says so as its output and ends.
    Execute {
        /// The program.
        path: Vec<u8>,
        /// All of argv.
        arguments: Vec<Vec<u8>>,
        /// All of the environment.
        environment: Vec<Vec<u8>>,
    },
    /// Reports that all is ready and becomes a program outside of the sandbox: that it did, shows as the end of the reports,
    /// and that it could not, is a failure as any other.
    Become {
        /// The program.
        path: Vec<u8>,
        /// All of argv.
        arguments: Vec<Vec<u8>>,
        /// All of the environment.
        environment: Vec<Vec<u8>>,
    },
    /// Reports that all is ready and ends: a set-up that is only tried.
    Finish,
}

/// An operation and the error numbers with which it may fail: such a failure is reported as skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub op: Op,
    /// Which failures do not matter.
    pub tolerated: Vec<i32>,
}

impl From<Op> for Instruction {
    fn from(op: Op) -> Self {
        Self { op, tolerated: Vec::new() }
    }
}

impl Op {
    /// The name of the operation in errors: public, stable.
    pub fn step(&self) -> &'static str {
        match self {
            Op::DropGroups => "drop-groups",
            Op::KillUser { .. } => "kill-user",
            Op::Clone { .. } => "clone",
            Op::AwaitGo => "await-ids",
            Op::AwaitRest => "await-rest",
            Op::CgroupNamespace => "cgroup-namespace",
            Op::AwaitRoute => "await-route",
            Op::Supervise { .. } => "supervise",
            Op::Guard { .. } => "guard",
            Op::DeathSignal => "death-signal",
            Op::DefaultSignals => "default-signals",
            Op::NewSession => "new-session",
            Op::Terminal => "terminal",
            Op::Umask { .. } => "umask",
            Op::LoopbackUp => "loopback-up",
            Op::HostName { .. } => "host-name",
            Op::DomainName { .. } => "domain-name",
            Op::PrivateMounts => "private-mounts",
            Op::NewRoot { .. } => "new-root",
            Op::MakeDirectory { .. } => "make-directory",
            Op::MakeFile { .. } => "make-file",
            Op::Symlink { .. } => "symlink",
            Op::Bind { .. } => "bind",
            Op::Mount { .. } => "mount",
            Op::SetMode { .. } => "set-mode",
            Op::RootAttributes { .. } => "root-attributes",
            Op::PivotRoot => "pivot-root",
            Op::NoNewPrivileges => "no-new-privs",
            Op::SessionKeyring => "session-keyring",
            Op::Personality { .. } => "personality",
            Op::SoftLimit { .. } => "soft-limit",
            Op::ChangeUser { .. } => "change-user",
            Op::DropCapabilities => "drop-capabilities",
            Op::ChangeDirectory { .. } => "change-directory",
            Op::CloseDescriptors { .. } => "close-descriptors",
            Op::Landlock { .. } => "landlock",
            Op::Seccomp { .. } => "seccomp",
            Op::Execute { .. } => "execute",
            Op::Become { .. } => "execute-program",
            Op::Finish => "finish",
        }
    }

    /// The path that a failure is about.
    pub fn path(&self) -> Option<&[u8]> {
        match self {
            Op::ChangeDirectory { path } | Op::Guard { path } | Op::Execute { path, .. } | Op::Become { path, .. } => {
                Some(path)
            }
            Op::Bind { source, .. } => Some(source),
            Op::MakeDirectory { target, .. }
            | Op::MakeFile { target, .. }
            | Op::Symlink { target, .. }
            | Op::Mount { target, .. }
            | Op::SetMode { target, .. } => Some(target),
            _ => None,
        }
    }

    /// The path inside, where it is another one than [`Op::path`].
    pub fn second_path(&self) -> Option<&[u8]> {
        match self {
            Op::Bind { target, .. } => Some(target),
            _ => None,
        }
    }
}
