//! What can go wrong, as fields.

use std::fmt;
use std::io;

/// The number of a system error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = io::Error::from_raw_os_error(self.0).to_string();
        let plain = text.rsplit_once(" (os error").map_or(text.as_str(), |(plain, _)| plain);
        f.write_str(plain)
    }
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A lock file cannot be used.
    Lock,
    /// The file system is full.
    NoSpace,
    /// A control group cannot be had as it is wanted.
    Group,
    /// Another system call failed.
    Io,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsError {
    /// What kind of failure it is.
    pub kind: Kind,
    /// One line for a person: lower case, the value quoted, no full stop.
    pub message: String,
    /// The file concerned; empty where only a descriptor of it is known.
    pub path: Vec<u8>,
    /// What was being done to it.
    pub step: &'static str,
    /// The number of the system error.
    pub errno: Option<i32>,
    /// What the reader can do about it, where the kind alone does not say it.
    pub hint: Option<&'static str>,
}

/// The result of an operation.
pub type Result<T> = std::result::Result<T, OsError>;

impl OsError {
    /// The stable code by which callers recognise the error.
    pub fn code(&self) -> &'static str {
        match self.kind {
            Kind::Lock => "ERR_LOCK_IO",
            Kind::NoSpace => "ERR_NO_SPACE",
            Kind::Group => "ERR_CGROUP",
            Kind::Io => "ERR_OS",
        }
    }

    /// `step` failed on `path`; a full file system is its own kind whatever was being done.
    pub(crate) fn new(kind: Kind, step: &'static str, path: &[u8], errno: Errno) -> Self {
        let full = matches!(errno.0, libc::ENOSPC | libc::EDQUOT);
        Self {
            kind: if full { Kind::NoSpace } else { kind },
            message: format!("cannot {step} '{}': {errno}", String::from_utf8_lossy(path)),
            path: path.to_vec(),
            step,
            errno: Some(errno.0),
            hint: None,
        }
    }

    /// `step` failed on a descriptor of the caller's.
    pub(crate) fn of_descriptor(step: &'static str, descriptor: i32, errno: Errno) -> Self {
        Self {
            message: format!("cannot {step} descriptor '{descriptor}': {errno}"),
            ..Self::new(Kind::Io, step, b"", errno)
        }
    }

    /// The lock file is something else than a regular file.
    pub(crate) fn not_a_lock_file(path: &[u8]) -> Self {
        Self {
            kind: Kind::Lock,
            message: format!("lock file '{}' is not a regular file", String::from_utf8_lossy(path)),
            path: path.to_vec(),
            step: "open",
            errno: None,
            hint: None,
        }
    }

    /// `step` failed on a control group.
    pub(crate) fn of_group(step: &'static str, path: &[u8], errno: Errno) -> Self {
        let refused = matches!(errno.0, libc::EACCES | libc::EPERM | libc::EROFS);
        let message = format!("cannot {step} the cgroup '{}': {errno}", String::from_utf8_lossy(path));
        Self { errno: Some(errno.0), hint: refused.then_some(OWN_GROUPS), ..Self::about_group(step, path, message) }
    }

    /// The directory is there and is no control group.
    pub(crate) fn not_a_group(path: &[u8]) -> Self {
        Self::about_group("remove", path, format!("'{}' is not a cgroup", String::from_utf8_lossy(path)))
    }

    /// What is in the group does not end.
    pub(crate) fn group_stays(path: &[u8]) -> Self {
        Self::about_group("kill", path, format!("cannot kill cgroup '{}'", String::from_utf8_lossy(path)))
    }

    /// Groups below this one cannot have such limits.
    pub(crate) fn no_controller(parent: &[u8], controller: &str) -> Self {
        let parent_name = String::from_utf8_lossy(parent);
        let message = format!("the cgroup '{parent_name}' gives no '{controller}' controller to groups below it");
        Self { hint: Some(DELEGATION), ..Self::about_group("limit", parent, message) }
    }

    fn about_group(step: &'static str, path: &[u8], message: String) -> Self {
        Self { kind: Kind::Group, message, path: path.to_vec(), step, errno: None, hint: None }
    }
}

const OWN_GROUPS: &str = "only groups that are delegated to a user are its own: `systemd-run --user --scope -p Delegate=yes` starts a program in one";
const DELEGATION: &str = "start the program in a group that is delegated to it, for example with `systemd-run --user --scope -p Delegate=yes`";

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for OsError {}
