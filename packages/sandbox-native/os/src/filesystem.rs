//! Facts about file systems and space on them.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Errno, Kind, OsError, Result};
use crate::sys;

/// What holds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// The number by which the kernel names the type.
    pub magic: u32,
    /// Its usual name, or `unknown`.
    pub name: &'static str,
    /// Whether other machines may change the files behind our back, so that shared memory and locks cannot be relied on.
    pub is_network: bool,
}

/// Magic numbers of linux/magic.h and of the file systems outside the kernel; the last column is `is_network`.
const KNOWN: [(u32, &str, bool); 33] = [
    (0x0000_ef53, "ext4", false),
    (0x5846_5342, "xfs", false),
    (0x9123_683e, "btrfs", false),
    (0x0102_1994, "tmpfs", false),
    (0x794c_7630, "overlayfs", false),
    (0x2fc1_2fc1, "zfs", false),
    (0xca45_1a4e, "bcachefs", false),
    (0xf2f5_2010, "f2fs", false),
    (0x8584_58f6, "ramfs", false),
    (0x5265_4973, "reiserfs", false),
    (0x3153_464a, "jfs", false),
    (0x0000_4d44, "vfat", false),
    (0x2011_bab0, "exfat", false),
    (0x5346_544e, "ntfs", false),
    (0x7366_746e, "ntfs3", false),
    (0x7371_7368, "squashfs", false),
    (0xe0f5_e1e2, "erofs", false),
    (0x0000_f15f, "ecryptfs", false),
    (0x6573_5546, "fuse", false),
    (0x0000_9660, "iso9660", false),
    (0x0000_9fa0, "proc", false),
    (0x6265_6572, "sysfs", false),
    (0x0000_6969, "nfs", true),
    (0x0000_517b, "smb", true),
    (0xff53_4d42, "cifs", true),
    (0xfe53_4d42, "smb2", true),
    (0x0102_1997, "9p", true),
    (0x00c3_6400, "ceph", true),
    (0x5346_414f, "afs", true),
    (0x7375_7245, "coda", true),
    (0x0bd0_0bd0, "lustre", true),
    (0x0116_1970, "gfs2", true),
    (0x7461_636f, "ocfs2", true),
];

/// The type of the file system that holds `path`.
pub fn file_system_type(path: &[u8]) -> Result<FileSystem> {
    let magic =
        sys::file_system_magic(&c_path(path)?).map_err(|errno| error("stat the file system of", path, errno))?;
    let (name, is_network) = KNOWN
        .iter()
        .find(|(known, ..)| *known == magic)
        .map_or(("unknown", false), |(_, name, network)| (name, *network));
    Ok(FileSystem { magic, name, is_network })
}

/// Bytes that an ordinary user may still write on the file system of `path`.
pub fn free_bytes(path: &[u8]) -> Result<u64> {
    sys::available_bytes(&c_path(path)?).map_err(|errno| error("stat the file system of", path, errno))
}

const MODE: u32 = 0o600;

/// Makes sure that the first `length` bytes of a file are on the disk's books, making the file if it is absent; what it holds stays.
///
/// A file that is mapped into memory needs this: writing to a page for which there is no room ends the process.
pub fn allocate_file(path: &[u8], length: u64) -> Result<()> {
    let file = sys::open_or_create(&c_path(path)?, MODE).map_err(|errno| error("open", path, errno))?;
    let stat = sys::stat(file.as_fd()).map_err(|errno| error("stat", path, errno))?;
    if !stat.is_regular {
        return Err(error("allocate", path, Errno(libc::EINVAL)));
    }
    if length == 0 {
        return Ok(());
    }
    match sys::allocate(file.as_fd(), length) {
        // The slow way to the same. It leaves holes that the file had before.
        Err(Errno(libc::EOPNOTSUPP | libc::ENOSYS)) => write_zeroes(file.as_fd(), stat.size, length),
        result => result,
    }
    .map_err(|errno| error("allocate", path, errno))
}

fn write_zeroes(file: BorrowedFd<'_>, from: u64, to: u64) -> std::result::Result<(), Errno> {
    let zeroes = [0; 64 * 1024];
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).unwrap_or(usize::MAX).min(zeroes.len());
        at += sys::write_at(file, &zeroes[..length], at)? as u64;
    }
    Ok(())
}

fn error(step: &'static str, path: &[u8], errno: Errno) -> OsError {
    OsError::new(Kind::Io, step, path, errno)
}

fn c_path(path: &[u8]) -> Result<CString> {
    CString::new(path).map_err(|_| error("open", path, Errno(libc::EINVAL)))
}

#[cfg(test)]
mod tests;
