//! Why a builder could not be started, and what the reader can do about it.

use drvkit_helper::Op;

use crate::machine::Limits;
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

    fn unavailable(self, layer: &str, hint: String) -> Self {
        let reason = sys::error_text(self.errno.unwrap_or(0));
        let message = format!("the sandbox cannot have its {layer}: {reason}");
        Self { kind: Kind::Unavailable, message, hint: Some(hint), ..self }
    }
}

const CONTAINER: &str = "in a container, allow it with `--security-opt seccomp=unconfined` (Docker, Podman)";
const APPARMOR: &str = "AppArmor takes the rights of user namespaces away: set the sysctl \
    kernel.apparmor_restrict_unprivileged_userns to 0, or give the program a profile with `userns`";
const PROC: &str = "a container that hides parts of /proc forbids a new one: start it with \
    `--security-opt systempaths=unconfined` (Docker) or `--security-opt unmask=ALL` (Podman)";
const GROUPS: &str = "an ordinary user needs newgidmap (package uidmap or shadow) and a range of its own in /etc/subgid, or set \
    'require-drop-supplementary-groups' to false";
const KERNEL: &str = "Linux 5.12 or later is needed, and in a container a system call filter that knows its calls";

/// The error of an operation: what was asked for and cannot be had on this machine is told apart from what failed.
pub(crate) fn explain(op: &Op, subject: u32, errno: i32, limits: &Limits) -> Error {
    let path = if subject == 1 { op.second_path() } else { op.path() };
    let error = Error::setup(op.step(), path, errno);
    let refused = matches!(errno, libc::EPERM | libc::EACCES);
    match op {
        Op::Clone { .. } => match errno {
            libc::ENOSPC | libc::EUSERS => error.unavailable(namespace(limits), too_few(limits)),
            libc::EPERM | libc::EACCES => error.unavailable(namespace(limits), forbidden(limits)),
            libc::EINVAL | libc::ENOSYS => error.unavailable(
                "user namespace",
                "the kernel was built without one of the namespaces (CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS)"
                    .into(),
            ),
            _ => error,
        },
        Op::KillUser { uid, .. } => {
            Error { message: format!("cannot kill processes for uid '{uid}': {}", sys::error_text(errno)), ..error }
        }
        Op::Mount { kind, .. } if refused && kind == b"proc" && !limits.apparmor_restricts => {
            error.unavailable("new /proc", PROC.into())
        }
        Op::DropGroups if refused => error.unavailable("drop of supplementary groups", GROUPS.into()),
        Op::CgroupNamespace if refused || matches!(errno, libc::ENOSPC | libc::EINVAL) => {
            error.unavailable(namespace(limits), too_few(limits))
        }
        Op::LoopbackUp
        | Op::HostName { .. }
        | Op::DomainName { .. }
        | Op::PrivateMounts
        | Op::NewRoot { .. }
        | Op::Mount { .. }
            if refused && limits.apparmor_restricts =>
        {
            error.unavailable("user namespace", APPARMOR.into())
        }
        Op::PrivateMounts | Op::NewRoot { .. } | Op::PivotRoot if refused => {
            error.unavailable("mount namespace", CONTAINER.into())
        }
        Op::NewRoot { .. } | Op::Bind { .. } | Op::Mount { .. } if errno == libc::ENOSYS => {
            error.unavailable("mount namespace", KERNEL.into())
        }
        Op::Seccomp { .. } if matches!(errno, libc::EINVAL | libc::ENOSYS | libc::EPERM) => error.unavailable(
            "system call filter",
            "the kernel was built without CONFIG_SECCOMP_FILTER, or a container forbids filters".into(),
        ),
        _ => error,
    }
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
            "the ids of the builder are not ids of this container: give it more ids, or start as an ordinary user"
                .into(),
        );
    }
    error
}

/// Which one cannot be had, as far as the sysctls tell.
fn namespace(limits: &Limits) -> &'static str {
    match limits.forbidden_kind {
        Some("mnt") => "mount namespace",
        Some("pid") => "pid namespace",
        Some("net") => "network namespace",
        Some("ipc") => "ipc namespace",
        Some("uts") => "uts namespace",
        Some("cgroup") => "cgroup namespace",
        _ => "user namespace",
    }
}

fn too_few(limits: &Limits) -> String {
    let number = match limits.forbidden_kind {
        Some(_) => "0",
        None => limits.max_user_namespaces.as_deref().unwrap_or("unknown"),
    };
    let kind = limits.forbidden_kind.unwrap_or("user");
    format!("the sysctl user.max_{kind}_namespaces is {number} here: set it to 15000 or more")
}

fn forbidden(limits: &Limits) -> String {
    if limits.forbidden_kind.is_some() {
        return too_few(limits);
    }
    if limits.unprivileged_clone_off {
        return "set the sysctl kernel.unprivileged_userns_clone to 1".into();
    }
    if limits.apparmor_restricts {
        return APPARMOR.into();
    }
    CONTAINER.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            max_user_namespaces: Some("1000".into()),
            forbidden_kind: None,
            unprivileged_clone_off: false,
            apparmor_restricts: false,
        }
    }

    #[test]
    fn each_refusal_of_a_layer_names_what_decides_it() {
        let clone = Op::Clone { flags: 0 };
        let proc = Op::Mount { kind: b"proc".to_vec(), target: b"/proc".to_vec(), options: vec![], attributes: 0 };
        let root = Op::NewRoot { kind: b"tmpfs".to_vec(), options: vec![], uid: 1000, gid: 100 };
        let none = Limits { max_user_namespaces: Some("0".into()), forbidden_kind: Some("user"), ..limits() };
        let no_network = Limits { forbidden_kind: Some("net"), ..limits() };
        let debian = Limits { unprivileged_clone_off: true, ..limits() };
        let ubuntu = Limits { apparmor_restricts: true, ..limits() };
        for (op, errno, limits, word) in [
            (&clone, libc::ENOSPC, &none, "user.max_user_namespaces is 0"),
            (&clone, libc::EPERM, &none, "user.max_user_namespaces is 0"),
            (&clone, libc::ENOSPC, &no_network, "user.max_net_namespaces is 0"),
            (&Op::DropGroups, libc::EPERM, &limits(), "newgidmap"),
            (&clone, libc::EPERM, &debian, "kernel.unprivileged_userns_clone"),
            (&clone, libc::EPERM, &ubuntu, "kernel.apparmor_restrict_unprivileged_userns"),
            (&clone, libc::EPERM, &limits(), "seccomp=unconfined"),
            (&clone, libc::EINVAL, &limits(), "CONFIG_USER_NS"),
            (&proc, libc::EPERM, &limits(), "systempaths=unconfined"),
            (&proc, libc::EPERM, &ubuntu, "kernel.apparmor_restrict_unprivileged_userns"),
            (&Op::LoopbackUp, libc::EPERM, &ubuntu, "kernel.apparmor_restrict_unprivileged_userns"),
            (&root, libc::ENOSYS, &limits(), "Linux 5.12"),
            (&Op::Seccomp { program: vec![] }, libc::EINVAL, &limits(), "CONFIG_SECCOMP_FILTER"),
        ] {
            let error = explain(op, 0, errno, limits);
            assert_eq!(error.kind, Kind::Unavailable, "{error:?}");
            let hint = error.hint.expect("a hint");
            assert!(hint.contains(word), "{hint:?} does not name {word:?}");
        }
    }

    #[test]
    fn other_failures_keep_step_path_and_number() {
        let bind = Op::Bind { source: b"/s".to_vec(), target: b"/t".to_vec(), attributes: 0, optional: false };
        let error = explain(&bind, 1, libc::EEXIST, &limits());
        assert_eq!(
            (error.kind, error.step.as_deref(), error.path.as_deref(), error.errno),
            (Kind::Setup, Some("bind"), Some("/t"), Some(libc::EEXIST))
        );
        assert_eq!(error.message, "the step \"bind\" of the sandbox failed on \"/t\": file exists");
    }
}
