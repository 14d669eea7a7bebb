//! System calls of this crate. Everything that needs `unsafe` is here, and nothing here decides anything.

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::error::Errno;

type Result<T> = std::result::Result<T, Errno>;

fn last_error() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

fn check(status: c_int) -> Result<()> {
    if status == -1 { Err(last_error()) } else { Ok(()) }
}

/// What `stat` says of a file, as far as we use it.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    pub is_regular: bool,
    pub size: u64,
    /// What tells one file from every other while it exists.
    pub identity: (u64, u64),
}

impl Stat {
    fn of(raw: &libc::stat) -> Self {
        Self {
            is_regular: raw.st_mode & libc::S_IFMT == libc::S_IFREG,
            size: raw.st_size as u64,
            identity: (raw.st_dev, raw.st_ino),
        }
    }
}

/// Opens a file for reading and writing and makes it if it is absent.
///
/// Never through a link in its last component; O_NONBLOCK and O_NOCTTY keep a FIFO or terminal of that name harmless until the caller has
/// looked at the type.
pub fn open_or_create(path: &CStr, mode: u32) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    loop {
        // SAFETY: `path` is NUL-terminated and lives through the call.
        let fd = unsafe { libc::open(path.as_ptr(), flags, mode) };
        if fd >= 0 {
            // SAFETY: the kernel just gave us this descriptor and nobody else knows it.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        let error = last_error();
        if error.0 != libc::EINTR {
            return Err(error);
        }
    }
}

/// What is behind a descriptor.
pub fn stat(file: BorrowedFd<'_>) -> Result<Stat> {
    let mut raw = MaybeUninit::<libc::stat>::uninit();
    // fstat, because the name may belong to another file by now.
    // SAFETY: `raw` has room for one `stat`.
    check(unsafe { libc::fstat(file.as_raw_fd(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel filled it.
    Ok(Stat::of(unsafe { raw.assume_init_ref() }))
}

/// What has a name now, not following a link.
pub fn stat_name(path: &CStr) -> Result<Stat> {
    let mut raw = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `path` is NUL-terminated and `raw` has room for one `stat`.
    check(unsafe { libc::lstat(path.as_ptr(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel filled it.
    Ok(Stat::of(unsafe { raw.assume_init_ref() }))
}

/// Cuts a file to nothing.
pub fn empty(file: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::ftruncate(file.as_raw_fd(), 0) })
}

/// Takes a lock if it is free; `false` when somebody else has it.
pub fn try_flock(file: BorrowedFd<'_>, exclusive: bool) -> Result<bool> {
    try_flock_number(file.as_raw_fd(), exclusive)
}

/// As `try_flock`, for a number that may be no open descriptor: the kernel says so.
pub fn try_flock_number(descriptor: RawFd, exclusive: bool) -> Result<bool> {
    let operation = if exclusive { libc::LOCK_EX } else { libc::LOCK_SH };
    loop {
        // flock, because its lock belongs to the open file: two opens in one process exclude each other, and another open of the same file
        // that is closed releases nothing.
        // SAFETY: takes no pointers.
        match check(unsafe { libc::flock(descriptor, operation | libc::LOCK_NB) }) {
            Ok(()) => return Ok(true),
            Err(Errno(libc::EWOULDBLOCK)) => return Ok(false),
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Gives a lock up.
pub fn unlock(file: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) })
}

/// Removes a name.
pub fn unlink(path: &CStr) -> Result<()> {
    // SAFETY: `path` is NUL-terminated.
    check(unsafe { libc::unlink(path.as_ptr()) })
}

/// Some of `bytes` at `offset`.
pub fn write_at(file: BorrowedFd<'_>, bytes: &[u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel reads at most `bytes.len()` bytes of `bytes`.
    let length = unsafe { libc::pwrite(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), offset as libc::off_t) };
    usize::try_from(length).map_err(|_| last_error())
}

/// Makes a file at least `length` bytes long with all of them allocated; EOPNOTSUPP where the file system cannot.
pub fn allocate(file: BorrowedFd<'_>, length: u64) -> Result<()> {
    loop {
        // fallocate itself: posix_fallocate of one C library writes to every block instead of failing, that of another does not.
        // SAFETY: takes no pointers.
        match check(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length as libc::off_t) }) {
            Err(Errno(libc::EINTR)) => {}
            result => return result,
        }
    }
}

/// What kind of file system holds `path`, as the number of `statfs`.
pub fn file_system_magic(path: &CStr) -> Result<u32> {
    let mut raw = MaybeUninit::<libc::statfs>::uninit();
    // statfs, because statvfs leaves the type out.
    // SAFETY: `path` is NUL-terminated and `raw` has room for one `statfs`.
    check(unsafe { libc::statfs(path.as_ptr(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel filled it.
    let raw = unsafe { raw.assume_init() };
    // Magic numbers have 32 bits; the field is wider and signed on some machines.
    Ok(raw.f_type as u32)
}

/// Bytes that an ordinary user may still write on the file system of `path`.
pub fn available_bytes(path: &CStr) -> Result<u64> {
    let mut raw = MaybeUninit::<libc::statvfs>::uninit();
    // statvfs, because its fragment size is the unit of its counts on every file system.
    // SAFETY: `path` is NUL-terminated and `raw` has room for one `statvfs`.
    check(unsafe { libc::statvfs(path.as_ptr(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel filled it.
    let raw = unsafe { raw.assume_init() };
    Ok(raw.f_bavail.saturating_mul(raw.f_frsize))
}

/// Waits until the kernel tells of a change in one of its files, or the time is over.
pub fn wait_for_priority(file: BorrowedFd<'_>, at_most: Duration) -> Result<()> {
    let milliseconds = c_int::try_from(at_most.as_millis()).unwrap_or(c_int::MAX);
    let mut entry = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLPRI, revents: 0 };
    // SAFETY: `entry` is one entry and lives through the call.
    match check(unsafe { libc::poll(&raw mut entry, 1, milliseconds.max(1)) }.min(0)) {
        Err(Errno(libc::EINTR)) => Ok(()),
        result => result,
    }
}

/// SIGKILL to one process.
pub fn kill(pid: i32) -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::kill(pid, libc::SIGKILL) })
}
