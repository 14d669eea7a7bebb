//! System calls of this crate. Everything that needs `unsafe` is here, and nothing here decides anything.
//!
//! A "handle" is a descriptor opened with O_PATH: it names a file of any type without opening it, so that a FIFO does not block, a device
//! does not act and an unreadable file can still be changed.

use std::ffi::{CStr, CString, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::error::Errno;

type Result<T> = std::result::Result<T, Errno>;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    Regular,
    Directory,
    Symlink,
    Other,
}

impl FileType {
    /// From the type in a directory's record; `None` when the file system does not say.
    pub fn of_record(record_type: u8) -> Option<Self> {
        match record_type {
            libc::DT_REG => Some(Self::Regular),
            libc::DT_DIR => Some(Self::Directory),
            libc::DT_LNK => Some(Self::Symlink),
            libc::DT_UNKNOWN => None,
            _ => Some(Self::Other),
        }
    }
}

/// The fields of `stat` that we use.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    pub device: u64,
    pub inode: u64,
    /// `st_mode`, type bits included.
    pub mode: u32,
    pub uid: u32,
    pub size: u64,
    /// In units of 512 bytes.
    pub blocks: u64,
    /// `st_mtime` since the epoch; before it, the two's complement.
    pub modified_ns: u64,
    /// `st_ctime`, likewise.
    pub changed_ns: u64,
}

impl Stat {
    pub fn file_type(&self) -> FileType {
        match self.mode & libc::S_IFMT {
            libc::S_IFREG => FileType::Regular,
            libc::S_IFDIR => FileType::Directory,
            libc::S_IFLNK => FileType::Symlink,
            _ => FileType::Other,
        }
    }

    /// What tells one file from every other while it exists.
    pub fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    pub fn is_owner_executable(&self) -> bool {
        self.mode & libc::S_IXUSR != 0
    }
}

fn last_error() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

fn check(status: c_int) -> Result<()> {
    if status == -1 { Err(last_error()) } else { Ok(()) }
}

fn check_length(length: isize) -> Result<usize> {
    usize::try_from(length).map_err(|_| last_error())
}

fn open_at(directory: c_int, name: &CStr, flags: c_int, mode: u32) -> Result<OwnedFd> {
    loop {
        // openat, because a name is only ever looked up in a directory that we hold.
        // SAFETY: `name` is NUL-terminated and lives through the call.
        let fd = unsafe { libc::openat(directory, name.as_ptr(), flags | libc::O_CLOEXEC, mode) };
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

/// The directory that holds the top of a tree; the one place where links in a path are followed, because the caller chose the path.
pub fn open_parent(path: &CStr) -> Result<OwnedFd> {
    open_at(libc::AT_FDCWD, path, libc::O_PATH | libc::O_DIRECTORY, 0)
}

/// A regular file for reading. O_NONBLOCK keeps a FIFO that was put in its place from blocking us.
pub fn open_regular(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    open_at(directory.as_raw_fd(), name, flags, 0)
}

/// A directory for listing.
pub fn open_directory(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    open_at(directory.as_raw_fd(), name, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW, 0)
}

/// A handle on a file of any type.
pub fn open_handle(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    open_at(directory.as_raw_fd(), name, libc::O_PATH | libc::O_NOFOLLOW, 0)
}

/// The directory behind a handle, for listing; by ".", so that no name is looked up a second time.
pub fn reopen_directory(handle: BorrowedFd<'_>) -> Result<OwnedFd> {
    open_at(handle.as_raw_fd(), c".", libc::O_RDONLY | libc::O_DIRECTORY, 0)
}

/// A handle on the directory above. The caller compares its identity: somebody may have moved the lower one.
pub fn open_above(directory: BorrowedFd<'_>) -> Result<OwnedFd> {
    open_at(directory.as_raw_fd(), c"..", libc::O_PATH | libc::O_DIRECTORY, 0)
}

/// A handle on a directory that lies on the same mount as `directory`; EXDEV when something is mounted there.
pub fn open_directory_of_same_mount(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: all zeroes is a valid `open_how`.
    let mut how: libc::open_how = unsafe { MaybeUninit::zeroed().assume_init() };
    how.flags = flags as u64;
    how.resolve = libc::RESOLVE_NO_XDEV | libc::RESOLVE_NO_SYMLINKS;
    // openat2, because it alone notices a bind mount of the same file system.
    // SAFETY: `name` is NUL-terminated, `how` is initialised, and both live through the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            directory.as_raw_fd(),
            name.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    };
    if fd >= 0 {
        // SAFETY: the kernel just gave us this descriptor and nobody else knows it.
        return Ok(unsafe { OwnedFd::from_raw_fd(fd as c_int) });
    }
    match last_error() {
        // Older kernels and the filters of container runtimes: the device number catches all but bind mounts.
        Errno(libc::ENOSYS | libc::EPERM) => {
            let handle = open_at(directory.as_raw_fd(), name, flags, 0)?;
            if stat(borrow(&handle))?.device == stat(directory)?.device { Ok(handle) } else { Err(Errno(libc::EXDEV)) }
        }
        error => Err(error),
    }
}

fn borrow(fd: &OwnedFd) -> BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(fd)
}

/// A new regular file for writing and for reading it back; EEXIST when the name is taken, by a link as well.
pub fn create_regular(directory: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    open_at(directory.as_raw_fd(), name, flags, mode)
}

/// A regular file to write anew. Refuses a link, does not wait for a FIFO; the caller checks the type.
pub fn create_or_truncate(directory: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<OwnedFd> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    open_at(directory.as_raw_fd(), name, flags, mode)
}

fn stat_with(call: impl FnOnce(*mut libc::stat) -> c_int) -> Result<Stat> {
    let mut raw = MaybeUninit::<libc::stat>::uninit();
    check(call(raw.as_mut_ptr()))?;
    // SAFETY: the call succeeded, so the kernel filled it.
    let raw = unsafe { raw.assume_init() };
    Ok(Stat {
        device: raw.st_dev,
        inode: raw.st_ino,
        mode: raw.st_mode,
        uid: raw.st_uid,
        size: raw.st_size as u64,
        blocks: raw.st_blocks as u64,
        modified_ns: nanoseconds(raw.st_mtime, raw.st_mtime_nsec),
        changed_ns: nanoseconds(raw.st_ctime, raw.st_ctime_nsec),
    })
}

fn nanoseconds(seconds: i64, rest: i64) -> u64 {
    seconds.wrapping_mul(1_000_000_000).wrapping_add(rest) as u64
}

/// What `name` is, without opening it.
pub fn stat_at(directory: BorrowedFd<'_>, name: &CStr) -> Result<Stat> {
    // fstatat with AT_SYMLINK_NOFOLLOW, because what a link points to is none of our business.
    // SAFETY: `name` is NUL-terminated and `raw` has room for one `stat`.
    stat_with(|raw| unsafe { libc::fstatat(directory.as_raw_fd(), name.as_ptr(), raw, libc::AT_SYMLINK_NOFOLLOW) })
}

/// What is behind a descriptor or handle.
pub fn stat(file: BorrowedFd<'_>) -> Result<Stat> {
    // fstat itself: the C library's goes by an empty path, which costs a third more.
    // SAFETY: `raw` has room for one `stat`, which is the kernel's own on these architectures.
    stat_with(|raw| unsafe { libc::syscall(libc::SYS_fstat, file.as_raw_fd(), raw) } as c_int)
}

/// Raw directory records into `buffer`; 0 at the end.
pub fn read_directory(directory: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    // getdents64 itself: readdir would hide a directory stream with its own offset and allocation behind the descriptor.
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
    let length =
        unsafe { libc::syscall(libc::SYS_getdents64, directory.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
    check_length(length as isize)
}

/// Bytes from the current position; 0 at the end.
pub fn read(file: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    #[cfg(test)]
    injected::check(injected::Call::Read)?;
    loop {
        // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
        match check_length(unsafe { libc::read(file.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) }) {
            Err(Errno(libc::EINTR)) => {}
            result => return result,
        }
    }
}

/// Some of `bytes` at the current position.
pub fn write(file: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
    #[cfg(test)]
    injected::check(injected::Call::Write)?;
    loop {
        // SAFETY: the kernel reads at most `bytes.len()` bytes of `bytes`.
        match check_length(unsafe { libc::write(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) }) {
            Err(Errno(libc::EINTR)) => {}
            result => return result,
        }
    }
}

/// The target of a link.
pub fn read_link(directory: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>> {
    // The kernel keeps targets below PATH_MAX, so this is never cut short.
    let mut buffer = vec![0; libc::PATH_MAX as usize];
    // SAFETY: `name` is NUL-terminated and the kernel writes at most `buffer.len()` bytes into `buffer`.
    let length =
        unsafe { libc::readlinkat(directory.as_raw_fd(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    buffer.truncate(check_length(length)?);
    Ok(buffer)
}

/// Asks for a larger read-ahead. A hint: its failure changes nothing.
pub fn advise_sequential(file: BorrowedFd<'_>) {
    // SAFETY: takes no pointers.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_SEQUENTIAL) };
}

/// The path by which calls that know no handles reach the file of one; the lookup ends at that very file, also when it is a link.
fn path_of_handle(handle: BorrowedFd<'_>) -> CString {
    CString::new(format!("/proc/self/fd/{}", handle.as_raw_fd())).expect("no NUL")
}

/// The number of fchmodat2, the same on every architecture; libc does not have it on all.
const SYS_FCHMODAT2: libc::c_long = 452;

/// Permission bits of the file behind a handle; not for links.
pub fn set_mode(handle: BorrowedFd<'_>, mode: u32) -> Result<()> {
    // fchmodat2, because fchmod refuses handles. Linux 6.6.
    // SAFETY: the name is NUL-terminated.
    let status = unsafe { libc::syscall(SYS_FCHMODAT2, handle.as_raw_fd(), c"".as_ptr(), mode, libc::AT_EMPTY_PATH) };
    match check(status as c_int) {
        // ENOSYS of an older kernel, EPERM of a container's filter that does not know the call.
        Err(Errno(libc::ENOSYS | libc::EPERM)) => set_mode_by_path(handle, mode),
        result => result,
    }
}

fn set_mode_by_path(handle: BorrowedFd<'_>, mode: u32) -> Result<()> {
    let path = path_of_handle(handle);
    // chmod by the handle's path: the older way to the same file.
    // SAFETY: the path is NUL-terminated.
    check(unsafe { libc::chmod(path.as_ptr(), mode) })
}

/// Modification time to `seconds` and zero nanoseconds; the access time stays.
pub fn set_modified(handle: BorrowedFd<'_>, seconds: i64) -> Result<()> {
    let times = times(seconds);
    // utimensat, because it takes handles on links as well. AT_EMPTY_PATH: Linux 5.8.
    // SAFETY: the name is NUL-terminated and `times` has the two elements that the kernel reads.
    let status = unsafe { libc::utimensat(handle.as_raw_fd(), c"".as_ptr(), times.as_ptr(), libc::AT_EMPTY_PATH) };
    match check(status) {
        Err(Errno(libc::EINVAL)) => set_modified_by_path(handle, &times),
        result => result,
    }
}

fn set_modified_by_path(handle: BorrowedFd<'_>, times: &[libc::timespec; 2]) -> Result<()> {
    let path = path_of_handle(handle);
    // utimensat by the handle's path: the older way to the same file.
    // SAFETY: the path is NUL-terminated and `times` has the two elements that the kernel reads.
    check(unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) })
}

/// Access time unchanged, modification time at `seconds`.
fn times(seconds: i64) -> [libc::timespec; 2] {
    let unchanged = libc::timespec { tv_sec: 0, tv_nsec: libc::UTIME_OMIT };
    [unchanged, libc::timespec { tv_sec: seconds, tv_nsec: 0 }]
}

/// Owner and group of the file behind a handle.
pub fn set_owner(handle: BorrowedFd<'_>, uid: u32, gid: u32) -> Result<()> {
    // fchownat with AT_EMPTY_PATH, because fchown refuses handles.
    // SAFETY: the name is NUL-terminated.
    check(unsafe { libc::fchownat(handle.as_raw_fd(), c"".as_ptr(), uid, gid, libc::AT_EMPTY_PATH) })
}

/// Names of the extended attributes of the file behind a handle.
pub fn list_attributes(handle: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let path = path_of_handle(handle);
    // Nearly every file has none: one call without a buffer says so.
    // SAFETY: the path is NUL-terminated; a size of 0 means that nothing is written.
    let mut size = check_length(unsafe { libc::listxattr(path.as_ptr(), ptr::null_mut(), 0) })?;
    while size > 0 {
        let mut buffer = vec![0_u8; size];
        // listxattr by the handle's path, because flistxattr refuses handles.
        // SAFETY: the path is NUL-terminated and the kernel writes at most `buffer.len()` bytes into `buffer`.
        match check_length(unsafe { libc::listxattr(path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) }) {
            // It got longer between the two calls.
            Err(Errno(libc::ERANGE)) => size = size.saturating_mul(2),
            Err(error) => return Err(error),
            Ok(length) => {
                let names = buffer[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
                return Ok(names.map(|name| CString::new(name).expect("split at NUL")).collect());
            }
        }
    }
    Ok(Vec::new())
}

/// Removes one extended attribute of the file behind a handle.
pub fn remove_attribute(handle: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let path = path_of_handle(handle);
    // removexattr by the handle's path, because fremovexattr refuses handles.
    // SAFETY: both are NUL-terminated.
    check(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) })
}

/// Gives the file behind a handle an extended attribute.
#[cfg(test)]
pub fn set_attribute(handle: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    let path = path_of_handle(handle);
    // SAFETY: path and name are NUL-terminated and the kernel reads `value.len()` bytes of `value`.
    check(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) })
}

/// A new directory.
pub fn make_directory(directory: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    // SAFETY: `name` is NUL-terminated.
    check(unsafe { libc::mkdirat(directory.as_raw_fd(), name.as_ptr(), mode) })
}

/// A new symbolic link.
pub fn make_link(target: &CStr, directory: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    // SAFETY: both are NUL-terminated.
    check(unsafe { libc::symlinkat(target.as_ptr(), directory.as_raw_fd(), name.as_ptr()) })
}

/// Makes `target` share the blocks of `source`, where the file system can.
pub fn clone_contents(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    // FICLONE, because it takes no space and no time.
    // SAFETY: the request takes a descriptor number, no pointer.
    check(unsafe { libc::ioctl(target.as_raw_fd(), libc::FICLONE as _, source.as_raw_fd()) })
}

/// Copies up to `length` bytes inside the kernel, from and to the current positions; 0 at the end of `source`.
pub fn copy_range(source: BorrowedFd<'_>, target: BorrowedFd<'_>, length: usize) -> Result<usize> {
    // copy_file_range, because the bytes need not pass through us and network file systems copy on the server.
    // SAFETY: null offsets mean the current positions.
    check_length(unsafe {
        libc::copy_file_range(source.as_raw_fd(), ptr::null_mut(), target.as_raw_fd(), ptr::null_mut(), length, 0)
    })
}

/// Moves the position of `file`: `SEEK_SET`, `SEEK_DATA` or `SEEK_HOLE` from `offset`.
pub fn seek(file: BorrowedFd<'_>, offset: u64, whence: c_int) -> Result<u64> {
    // lseek, because SEEK_DATA and SEEK_HOLE are the way to keep a sparse file sparse.
    // SAFETY: takes no pointers.
    let position = unsafe { libc::lseek(file.as_raw_fd(), offset as i64, whence) };
    u64::try_from(position).map_err(|_| last_error())
}

/// Sets the length of a file, with a hole at its end if it grows.
pub fn set_length(file: BorrowedFd<'_>, length: u64) -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::ftruncate(file.as_raw_fd(), length as i64) })
}

/// Waits until a file or directory is on the disk.
pub fn sync(file: BorrowedFd<'_>) -> Result<()> {
    #[cfg(test)]
    injected::check(injected::Call::Sync)?;
    // fsync rather than fdatasync: the mode counts as well.
    // SAFETY: takes no pointers.
    check(unsafe { libc::fsync(file.as_raw_fd()) })
}

/// `sync` of a directory behind a handle, which cannot be synced itself.
pub fn sync_handle(directory: BorrowedFd<'_>) -> Result<()> {
    sync(borrow(&reopen_directory(directory)?))
}

/// Removes a name that is not a directory's.
pub fn unlink(directory: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    // unlinkat in a held directory: it never follows a link.
    // SAFETY: `name` is NUL-terminated.
    check(unsafe { libc::unlinkat(directory.as_raw_fd(), name.as_ptr(), 0) })
}

/// Removes an empty directory.
pub fn remove_directory(directory: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    // SAFETY: `name` is NUL-terminated.
    check(unsafe { libc::unlinkat(directory.as_raw_fd(), name.as_ptr(), libc::AT_REMOVEDIR) })
}

/// Renames unless the new name is taken; EINVAL where the file system cannot promise that.
pub fn rename_new(from: (BorrowedFd<'_>, &CStr), to: (BorrowedFd<'_>, &CStr)) -> Result<()> {
    // renameat2 by number, because musl has no wrapper; RENAME_NOREPLACE makes "absent" and "renamed" one step.
    // SAFETY: both names are NUL-terminated.
    let status = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            from.0.as_raw_fd(),
            from.1.as_ptr(),
            to.0.as_raw_fd(),
            to.1.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    check(status as c_int)
}

/// Renames, replacing what is there.
pub fn rename(from: (BorrowedFd<'_>, &CStr), to: (BorrowedFd<'_>, &CStr)) -> Result<()> {
    // SAFETY: both names are NUL-terminated.
    check(unsafe { libc::renameat(from.0.as_raw_fd(), from.1.as_ptr(), to.0.as_raw_fd(), to.1.as_ptr()) })
}

/// Exchanges two names in one step; EINVAL where the file system cannot.
pub fn exchange(one: (BorrowedFd<'_>, &CStr), other: (BorrowedFd<'_>, &CStr)) -> Result<()> {
    // SAFETY: both names are NUL-terminated.
    let status = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            one.0.as_raw_fd(),
            one.1.as_ptr(),
            other.0.as_raw_fd(),
            other.1.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
    check(status as c_int)
}

/// The effective user and group of this process.
pub fn effective_ids() -> (u32, u32) {
    // SAFETY: both always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

#[cfg(test)]
pub mod injected;
#[cfg(test)]
mod tests;
