//! Why a builder could not be started, and what the reader can do about it.

use drvkit_helper::Op;

use crate::machine::{Limits, NAMESPACES, Namespace};
use crate::sys;

/// The ways in which a start fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A field of the description has no single meaning.
    Spec,
    /// A layer cannot be had on this machine.
    Unavailable,
    /// A step failed for a reason of its own.
    Setup,
    /// The description of a program outside of the sandbox has no single meaning.
    ProgramSpec,
    /// Such a program cannot be started.
    ProgramStart,
}

/// A failed start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which way.
    pub kind: Kind,
    /// Lower case, values quoted.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Name of the step.
    pub step: Option<String>,
    /// The path it was about.
    pub path: Option<String>,
    /// The kernel's number.
    pub errno: Option<i32>,
}

impl Error {
    /// A description that is refused.
    pub(crate) fn spec(message: String) -> Self {
        Self { kind: Kind::Spec, message, hint: None, step: None, path: None, errno: None }
    }

    /// A step that failed.
    pub(crate) fn setup(step: &str, path: Option<&[u8]>, errno: i32) -> Self {
        let path = path.map(|path| String::from_utf8_lossy(path).into_owned());
        let on = path.as_ref().map(|path| format!(" on \"{path}\"")).unwrap_or_default();
        let message = format!("the step \"{step}\" of the sandbox failed{on}: {}", sys::error_text(errno));
        Self { kind: Kind::Setup, message, hint: None, step: Some(step.to_owned()), path, errno: Some(errno) }
    }

    /// A description of a program that is refused.
    pub(crate) fn program_spec(message: String) -> Self {
        Self { kind: Kind::ProgramSpec, ..Self::spec(message) }
    }

    /// A step that failed on the way to a program outside of the sandbox.
    pub(crate) fn program(program: &[u8], step: &str, path: Option<&[u8]>, errno: i32) -> Self {
        let error = Self::setup(step, path, errno);
        let program = String::from_utf8_lossy(program);
        let on = error.path.as_ref().map(|path| format!(" on \"{path}\"")).unwrap_or_default();
        let reason = sys::error_text(errno);
        let message = format!("cannot start \"{program}\": the step \"{step}\" failed{on}: {reason}");
        Self { kind: Kind::ProgramStart, message, ..error }
    }

    /// A set-up that ended without saying why.
    pub(crate) fn ended(step: &str, message: String) -> Self {
        Self { kind: Kind::Setup, message, hint: None, step: Some(step.to_owned()), path: None, errno: None }
    }

    /// The program that was to connect a builder ended.
    pub(crate) fn network(program: &str, message: String) -> Self {
        let hint = format!("try \"{program}\" by hand, or choose another 'fixed-output-network'");
        let (kind, step) = (Kind::Unavailable, Some("network".to_owned()));
        Self { kind, message, hint: Some(hint), step, path: Some(program.to_owned()), errno: None }
    }

    fn unavailable(self, layer: &str, hint: &str) -> Self {
        let reason = sys::error_text(self.errno.unwrap_or(0));
        let message = format!("the sandbox cannot have its {layer}: {reason}");
        Self { kind: Kind::Unavailable, message, hint: Some(hint.to_owned()), ..self }
    }
}

const CONTAINER: &str = "in a container, allow it with `--security-opt seccomp=unconfined` (Docker, Podman); in a service, \
    without RestrictNamespaces and SystemCallFilter (systemd)";
const MOUNTS: &str = "in a container, allow mounts with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined` \
    (Docker, Podman)";
const APPARMOR: &str = "AppArmor takes the rights of user namespaces away: set the sysctl \
    kernel.apparmor_restrict_unprivileged_userns to 0, or give the program a profile with `userns`";
const CHROOT: &str = "in a chroot there are no user namespaces: enter it with pivot_root, as `bwrap` and containers do, or start \
    outside of it";
const HIDDEN: &str = "a container that hides parts of /proc or /sys forbids new ones: start it with \
    `--security-opt systempaths=unconfined` (Docker) or `--security-opt unmask=ALL` (Podman)";
/// What it takes for who is not root.
pub(crate) const NEWGIDMAP: &str =
    "an ordinary user needs newgidmap (package uidmap or shadow) and a range of its own in /etc/subgid";
const CAPABILITY: &str = "root lacks the right to drop its groups: in a container, give it CAP_SETGID (`--cap-add SETGID`) and a \
    filter that allows setgroups";
const KERNEL: &str = "Linux 5.12 or later is needed, and in a container a system call filter that knows its calls";
const RAMFS: &str = "the initial ramfs cannot be left: start from another root file system (`switch_root`)";
const FILTERS: &str = "the kernel needs CONFIG_SECCOMP_FILTER; emulated ones (gVisor, QEMU) may have no filters";

/// The error of an operation: what was asked for and cannot be had on this machine is told apart from what failed.
pub(crate) fn explain(op: &Op, subject: u32, errno: i32, limits: &Limits) -> Error {
    let path = if subject == 1 { op.second_path() } else { op.path() };
    let error = Error::setup(op.step(), path, errno);
    let refused = matches!(errno, libc::EPERM | libc::EACCES);
    let too_old = errno == libc::ENOSYS;
    match op {
        Op::Clone { flags, .. } => explain_clone(error, *flags, errno, limits),
        Op::CgroupNamespace => explain_clone(error, libc::CLONE_NEWCGROUP as u64, errno, limits),
        Op::KillUser { uid, .. } => {
            Error { message: format!("cannot kill processes for uid '{uid}': {}", sys::error_text(errno)), ..error }
        }
        Op::DropGroups if refused => {
            let ordinary = format!("{NEWGIDMAP}, or set 'require-drop-supplementary-groups' to false");
            let hint = if limits.root_drops_groups { CAPABILITY } else { &ordinary };
            error.unavailable("drop of supplementary groups", hint)
        }
        Op::NoNewPrivileges if refused || errno == libc::EINVAL => {
            error.unavailable("bar on new privileges", CONTAINER)
        }
        Op::Seccomp { .. } if refused => error.unavailable("system call filter", CONTAINER),
        Op::Seccomp { .. } if too_old || errno == libc::EINVAL => error.unavailable("system call filter", FILTERS),
        Op::PivotRoot if errno == libc::EINVAL => error.unavailable("own root", RAMFS),
        _ => match (layer_of(op), refused, too_old) {
            // A source that may not be opened is one thing, a copy of a mount that may not be made another.
            (Some(_), true, _) if matches!(op, Op::Bind { .. }) && (errno == libc::EACCES || subject == 1) => error,
            (Some(_), true, _) if limits.apparmor_restricts => error.unavailable("user namespace", APPARMOR),
            (Some(layer @ ("new /proc" | "new /sys")), true, _) => error.unavailable(layer, HIDDEN),
            (Some(layer @ ("network namespace" | "uts namespace")), true, _) => error.unavailable(layer, CONTAINER),
            (Some(layer), true, _) => error.unavailable(layer, MOUNTS),
            (Some(layer), _, true) => error.unavailable(layer, KERNEL),
            _ => error,
        },
    }
}

/// What a namespace has that an operation makes, once there is the namespace.
fn layer_of(op: &Op) -> Option<&'static str> {
    match op {
        Op::LoopbackUp => Some("network namespace"),
        Op::HostName { .. } | Op::DomainName { .. } => Some("uts namespace"),
        Op::Mount { kind, .. } if kind == b"proc" => Some("new /proc"),
        Op::Mount { kind, .. } if kind == b"sysfs" => Some("new /sys"),
        Op::PrivateMounts | Op::NewRoot { .. } | Op::Bind { .. } | Op::Mount { .. } | Op::RootAttributes { .. } => {
            Some("mount namespace")
        }
        Op::PivotRoot => Some("own root"),
        _ => None,
    }
}

/// One call makes all namespaces: which of them cannot be had is known as far as the sysctls tell.
fn explain_clone(error: Error, flags: u64, errno: i32, limits: &Limits) -> Error {
    let wanted = || NAMESPACES.iter().filter(|kind| flags & kind.flag != 0);
    let most = |kind: &Namespace| limits.namespaces.get(kind.name).copied();
    let off = wanted().find(|kind| most(kind) == Some(0));
    match (errno, off) {
        (libc::ENOSPC | libc::EUSERS | libc::EPERM | libc::EACCES, Some(kind)) => {
            error.unavailable(kind.layer, &too_few(kind, 0))
        }
        (libc::ENOSPC | libc::EUSERS, None) => {
            match wanted().filter_map(|kind| Some((most(kind)?, kind))).min_by_key(|(most, _)| *most) {
                Some((most, kind)) => error.unavailable(kind.layer, &too_few(kind, most)),
                None => error,
            }
        }
        (libc::EPERM | libc::EACCES, None) if limits.in_chroot => error.unavailable("user namespace", CHROOT),
        (libc::EPERM | libc::EACCES, None) if limits.unprivileged_clone_off => {
            error.unavailable("user namespace", "set the sysctl kernel.unprivileged_userns_clone to 1")
        }
        (libc::EPERM | libc::EACCES, None) if limits.apparmor_restricts => {
            error.unavailable("user namespace", &format!("{APPARMOR}; {CONTAINER}"))
        }
        (libc::EPERM | libc::EACCES, None) => error.unavailable(name_of(wanted()), CONTAINER),
        (libc::EINVAL | libc::ENOSYS, _) => match wanted().find(|kind| most(kind).is_none()) {
            Some(kind) => error.unavailable(kind.layer, &format!("the kernel was built without {}", kind.option)),
            None => error.unavailable(name_of(wanted()), KERNEL),
        },
        _ => error,
    }
}

/// The only one, or all of them.
fn name_of(mut kinds: impl Iterator<Item = &'static Namespace>) -> &'static str {
    match (kinds.next(), kinds.next()) {
        (Some(only), None) => only.layer,
        _ => "namespaces",
    }
}

fn too_few(kind: &Namespace, most: u64) -> String {
    format!("the sysctl user.max_{}_namespaces is {most} here: set it to 15000 or more", kind.name)
}

/// The error of an operation on the way to a program outside of the sandbox.
pub(crate) fn explain_program(program: &[u8], op: &Op, errno: i32) -> Error {
    let error = Error::program(program, op.step(), op.path(), errno);
    let Op::Become { path, .. } = op else { return error };
    let (shown, reason) = (String::from_utf8_lossy(path), sys::error_text(errno));
    let hint = match errno {
        libc::ENOENT => Some("nothing is there, or what the first line of a script names is not there"),
        libc::EACCES => Some("it must be a file with the right to be executed, on a file system that allows it"),
        libc::ENOEXEC => Some("a script begins with \"#!\" and the path of its interpreter"),
        _ => None,
    };
    Error { message: format!("cannot execute \"{shown}\": {reason}"), hint: hint.map(str::to_owned), ..error }
}

/// The error of a step that uses the builder's ids on this machine: writing the id maps, or giving files away.
pub(crate) fn explain_ids(step: &str, path: &[u8], errno: i32) -> Error {
    let error = Error::setup(step, Some(path), errno);
    if matches!(errno, libc::EPERM | libc::EINVAL) {
        return error.unavailable(
            "user ids",
            "the ids of the builder are not ids of this container: give it more ids, or start as an ordinary user",
        );
    }
    error
}

/// The error of moving a builder into its control group.
pub(crate) fn explain_group(path: &[u8], errno: i32) -> Error {
    let hint = match errno {
        libc::ENOENT => "no control group is there: 'use-cgroups' set to false does without",
        libc::EACCES | libc::EPERM => {
            "only groups that are delegated to a user are its own: start the program with `systemd-run --user --scope -p \
             Delegate=yes`, or set 'use-cgroups' to false"
        }
        libc::EBUSY => "a group that gives controllers to groups below it has no processes of its own",
        _ => return Error::setup("join-cgroup", Some(path), errno),
    };
    Error { hint: Some(hint.to_owned()), ..Error::setup("join-cgroup", Some(path), errno) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { namespaces: NAMESPACES.iter().map(|kind| (kind.name, 1000)).collect(), ..Limits::default() }
    }

    fn without(name: &'static str) -> Limits {
        let mut limits = limits();
        limits.namespaces.insert(name, 0);
        limits
    }

    fn all() -> Op {
        Op::Clone { flags: NAMESPACES.iter().fold(0, |flags, kind| flags | kind.flag), group: None }
    }

    fn mount(kind: &[u8], target: &[u8]) -> Op {
        Op::Mount { kind: kind.to_vec(), target: target.to_vec(), options: vec![], attributes: 0 }
    }

    fn bind() -> Op {
        Op::Bind { source: b"/s".to_vec(), target: b"/t".to_vec(), attributes: 0, optional: false }
    }

    #[test]
    fn each_refusal_of_a_layer_names_it_and_what_decides_it() {
        let new_root = Op::NewRoot { kind: b"tmpfs".to_vec(), options: vec![], uid: 1000, gid: 100 };
        let (proc, filter) = (mount(b"proc", b"/proc"), Op::Seccomp { program: vec![] });
        let debian = Limits { unprivileged_clone_off: true, ..limits() };
        let ubuntu = Limits { apparmor_restricts: true, ..limits() };
        let root = Limits { root_drops_groups: true, ..limits() };
        let chroot = Limits { in_chroot: true, ..limits() };
        let mut scarce = limits();
        scarce.namespaces.insert("pid", 7);
        let mut small = limits();
        small.namespaces.remove("ipc");
        for (op, errno, limits, layer, word) in [
            (&all(), libc::ENOSPC, &without("user"), "user namespace", "user.max_user_namespaces is 0"),
            (&all(), libc::EPERM, &without("user"), "user namespace", "user.max_user_namespaces is 0"),
            (&all(), libc::ENOSPC, &without("net"), "network namespace", "user.max_net_namespaces is 0"),
            (&all(), libc::ENOSPC, &scarce, "pid namespace", "user.max_pid_namespaces is 7"),
            (&all(), libc::EPERM, &debian, "user namespace", "kernel.unprivileged_userns_clone"),
            (&all(), libc::EPERM, &ubuntu, "user namespace", "kernel.apparmor_restrict_unprivileged_userns"),
            (&all(), libc::EPERM, &chroot, "user namespace", "in a chroot"),
            (&all(), libc::EPERM, &limits(), "namespaces", "seccomp=unconfined"),
            (&all(), libc::EINVAL, &small, "ipc namespace", "CONFIG_IPC_NS"),
            (&all(), libc::ENOSYS, &limits(), "namespaces", "Linux 5.12"),
            (&Op::CgroupNamespace, libc::ENOSPC, &without("cgroup"), "cgroup namespace", "user.max_cgroup_namespaces"),
            (&Op::CgroupNamespace, libc::EPERM, &limits(), "cgroup namespace", "seccomp=unconfined"),
            (&Op::DropGroups, libc::EPERM, &root, "drop of supplementary groups", "CAP_SETGID"),
            (&Op::DropGroups, libc::EPERM, &limits(), "drop of supplementary groups", "newgidmap"),
            (&Op::LoopbackUp, libc::EPERM, &ubuntu, "user namespace", "kernel.apparmor_restrict_unprivileged_userns"),
            (&Op::LoopbackUp, libc::EPERM, &limits(), "network namespace", "seccomp=unconfined"),
            (&Op::HostName { name: vec![] }, libc::EPERM, &limits(), "uts namespace", "seccomp=unconfined"),
            (&Op::PrivateMounts, libc::EACCES, &limits(), "mount namespace", "apparmor=unconfined"),
            (&new_root, libc::EPERM, &limits(), "mount namespace", "seccomp=unconfined"),
            (&new_root, libc::ENOSYS, &limits(), "mount namespace", "Linux 5.12"),
            (&bind(), libc::EPERM, &limits(), "mount namespace", "seccomp=unconfined"),
            (&bind(), libc::ENOSYS, &limits(), "mount namespace", "Linux 5.12"),
            (&mount(b"devpts", b"/dev/pts"), libc::EPERM, &limits(), "mount namespace", "seccomp=unconfined"),
            (&mount(b"sysfs", b"/sys"), libc::EPERM, &limits(), "new /sys", "systempaths=unconfined"),
            (&proc, libc::EPERM, &limits(), "new /proc", "systempaths=unconfined"),
            (&proc, libc::EPERM, &ubuntu, "user namespace", "kernel.apparmor_restrict_unprivileged_userns"),
            (&Op::PivotRoot, libc::EPERM, &limits(), "own root", "seccomp=unconfined"),
            (&Op::PivotRoot, libc::EINVAL, &limits(), "own root", "switch_root"),
            (&Op::NoNewPrivileges, libc::EPERM, &limits(), "bar on new privileges", "seccomp=unconfined"),
            (&filter, libc::EINVAL, &limits(), "system call filter", "CONFIG_SECCOMP_FILTER"),
            (&filter, libc::EPERM, &limits(), "system call filter", "seccomp=unconfined"),
        ] {
            let error = explain(op, 0, errno, limits);
            assert_eq!(error.kind, Kind::Unavailable, "{error:?}");
            assert!(error.message.starts_with(&format!("the sandbox cannot have its {layer}: ")), "{error:?}");
            let hint = error.hint.expect("a hint");
            assert!(hint.contains(word), "{hint:?} does not name {word:?}");
        }
    }

    #[test]
    fn only_namespaces_that_were_asked_for_are_blamed() {
        let error =
            explain(&Op::Clone { flags: libc::CLONE_NEWUSER as u64, group: None }, 0, libc::EPERM, &without("net"));
        assert_eq!(error.message, "the sandbox cannot have its user namespace: operation not permitted");
    }

    #[test]
    fn a_source_that_may_not_be_opened_is_no_missing_layer() {
        let ubuntu = Limits { apparmor_restricts: true, ..limits() };
        for (subject, errno) in [(0, libc::EACCES), (1, libc::EPERM)] {
            for limits in [&limits(), &ubuntu] {
                assert_eq!(explain(&bind(), subject, errno, limits).kind, Kind::Setup);
            }
        }
    }

    #[test]
    fn other_failures_keep_step_path_and_number() {
        let error = explain(&bind(), 1, libc::EEXIST, &limits());
        assert_eq!(
            (error.kind, error.step.as_deref(), error.path.as_deref(), error.errno),
            (Kind::Setup, Some("bind"), Some("/t"), Some(libc::EEXIST))
        );
        assert_eq!(error.message, "the step \"bind\" of the sandbox failed on \"/t\": file exists");
    }
}
