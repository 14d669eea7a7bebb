//! What is in one directory of a tree and how to tell whether it changed.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::dump::DEPTH_LIMIT;
use crate::error::{Errno, Result, TreeError};
use crate::list::sorted_names;
use crate::root::Root;
use crate::sys::{self, Stat};

/// Numbers in a stamp.
const STAMP_NUMBERS: usize = 6;

/// Length of a stamp.
pub const STAMP_BYTES: usize = STAMP_NUMBERS * 8;

/// Mode, size, time of modification, time of change, inode, device: each 64 bits, little endian, times in nanoseconds.
/// A file whose stamp is the same was not changed, as far as the clock of its file system can tell.
pub type Stamp = [u8; STAMP_BYTES];

/// Names in byte order and the stamp of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each ended by a zero byte.
    pub names: Vec<u8>,
    /// In the order of the names.
    pub stamps: Vec<u8>,
}

/// The stamp of the top of a tree; `None` when there is nothing.
pub fn stamp_top(path: &[u8]) -> Result<Option<Stamp>> {
    let looked = Root::try_open(path).and_then(|root| sys::stat_at(root.parent(), &root.name));
    match looked {
        Ok(stat) => Ok(Some(stamp(&stat))),
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
        Err(errno) => Err(TreeError::io("stat", path, errno)),
    }
}

/// Lists the directory that lies at `below`, a path without a leading slash, empty for the top itself, in the tree at `top`.
pub fn list_directory(top: &[u8], below: &[u8]) -> Result<Listing> {
    let full = join(top, below);
    let io = |step, errno| TreeError::io(step, &full, errno);
    let directory = open_below(top, below, &full)?;
    let names = sorted_names(directory.as_fd()).map_err(|errno| io("list", errno))?;
    let mut listing = Listing::default();
    for name in names {
        let stat = sys::stat_at(directory.as_fd(), &name)
            .map_err(|errno| TreeError::io("stat", &join(&full, name.to_bytes()), errno))?;
        listing.names.extend_from_slice(name.to_bytes_with_nul());
        listing.stamps.extend_from_slice(&stamp(&stat));
    }
    Ok(listing)
}

fn open_below(top: &[u8], below: &[u8], full: &[u8]) -> Result<OwnedFd> {
    let root = Root::open(top)?;
    let open = |directory: BorrowedFd<'_>, name: &CStr| {
        sys::open_directory(directory, name).map_err(|errno| TreeError::io("open", full, errno))
    };
    let mut directory = open(root.parent(), &root.name)?;
    let components = below.split(|&byte| byte == b'/').filter(|c| !c.is_empty());
    for (depth, component) in components.enumerate() {
        if depth + 1 >= DEPTH_LIMIT {
            return Err(TreeError::depth(full, DEPTH_LIMIT));
        }
        let name = CString::new(component).map_err(|_| TreeError::io("open", full, Errno(libc::EINVAL)))?;
        directory = open(directory.as_fd(), &name)?;
    }
    Ok(directory)
}

fn join(path: &[u8], below: &[u8]) -> Vec<u8> {
    if below.is_empty() {
        return path.to_vec();
    }
    [path, b"/", below].concat()
}

fn stamp(stat: &Stat) -> Stamp {
    let numbers: [u64; STAMP_NUMBERS] =
        [stat.mode.into(), stat.size, stat.modified_ns, stat.changed_ns, stat.inode, stat.device];
    let mut stamp = [0; STAMP_BYTES];
    for (field, number) in stamp.chunks_exact_mut(8).zip(numbers) {
        field.copy_from_slice(&number.to_le_bytes());
    }
    stamp
}

#[cfg(test)]
mod tests;
