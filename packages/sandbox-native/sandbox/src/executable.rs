//! The helper executable, started.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use crate::sys::{self, Errno};

/// Where the executable may lie, on a machine that runs no programs from memory.
#[derive(Clone)]
pub(crate) enum Place {
    /// In a directory that nobody else can enter.
    Private(Vec<u8>),
    /// In a new one, made in a directory where others may be.
    Shared(Vec<u8>),
}

/// A process of it, a child of this thread. It has of our descriptors those of the first numbers, under the second ones,
/// and what was leaked by others.
///
/// From a sealed file in memory, which no one can change; where that is forbidden (sysctl vm.memfd_noexec), from a file
/// in a directory that nobody else can enter, and only for as long as the start takes.
pub(crate) fn spawn(place: &Place, arguments: &[&CStr], descriptors: &[(RawFd, RawFd)]) -> Result<i32, Errno> {
    static EXECUTABLE: OnceLock<Result<OwnedFd, Errno>> = OnceLock::new();
    let from_memory = || {
        let make = || sys::sealed_executable(crate::HELPER);
        let executable = EXECUTABLE.get_or_init(make).as_ref().map_err(|errno| *errno)?;
        let path = sys::c_string(format!("/proc/self/fd/{}", executable.as_raw_fd()).as_bytes())?;
        sys::spawn(&path, arguments, descriptors)
    };
    let from_directory = |directory: &[u8]| {
        let path = sys::c_string(&[directory, b"/helper"].concat())?;
        sys::write_executable(&path, crate::HELPER)?;
        let spawned = sys::spawn(&path, arguments, descriptors);
        sys::unlink(&path);
        spawned
    };
    match (from_memory(), place) {
        (Err(libc::EACCES | libc::EPERM | libc::ENOSYS | libc::ENOENT), Place::Private(directory)) => {
            from_directory(directory)
        }
        (Err(libc::EACCES | libc::EPERM | libc::ENOSYS | libc::ENOENT), Place::Shared(parent)) => {
            let directory = sys::make_private_directory(parent)?;
            let spawned = from_directory(directory.to_bytes());
            sys::remove_directory(&directory);
            spawned
        }
        (spawned, _) => spawned,
    }
}
