//! Moves of trees within one file system.

use std::os::fd::AsFd;

use crate::error::{Errno, Result, TreeError};
use crate::root::Root;
use crate::sys::{self, FileType};

/// Renames the top of a tree to a name that is free; EEXIST when it is not.
///
/// Moving a directory to another parent changes its "..", so the kernel wants it writable unless we are root: a read-only one is made
/// writable for the moment of the rename.
pub fn move_tree(from: &[u8], to: &[u8]) -> Result<()> {
    let source = Root::open(from)?;
    let target = Root::open(to)?;
    match rename(&source, &target) {
        Ok(()) => Ok(()),
        Err(Errno(libc::EACCES)) => rename_read_only(&source, &target),
        Err(errno) => Err(rename_error(&source, &target, errno)),
    }
}

fn rename_read_only(source: &Root, target: &Root) -> Result<()> {
    let io = |step| move |errno| TreeError::io(step, &source.path, errno);
    let handle = sys::open_handle(source.parent(), &source.name).map_err(io("open"))?;
    let stat = sys::stat(handle.as_fd()).map_err(io("stat"))?;
    let mode = stat.mode & 0o7777;
    if stat.file_type() != FileType::Directory || mode & 0o200 != 0 {
        return Err(rename_error(source, target, Errno(libc::EACCES)));
    }
    sys::set_mode(handle.as_fd(), mode | 0o200).map_err(io("set the mode of"))?;
    let renamed = rename(source, target);
    // Restored through the handle, so it reaches the same directory under either name.
    let restored = sys::set_mode(handle.as_fd(), mode);
    renamed.map_err(|errno| rename_error(source, target, errno))?;
    restored.map_err(|errno| TreeError::io("set the mode of", &target.path, errno))
}

fn rename(source: &Root, target: &Root) -> std::result::Result<(), Errno> {
    let from = (source.parent(), source.name.as_c_str());
    let to = (target.parent(), target.name.as_c_str());
    match sys::rename_new(from, to) {
        // Some network file systems cannot rename conditionally. Whoever moves trees there holds the lock of the target.
        Err(Errno(libc::EINVAL | libc::ENOSYS)) => match sys::stat_at(to.0, to.1) {
            Ok(_) => Err(Errno(libc::EEXIST)),
            Err(Errno(libc::ENOENT)) => sys::rename(from, to),
            Err(errno) => Err(errno),
        },
        result => result,
    }
}

fn rename_error(source: &Root, target: &Root, errno: Errno) -> TreeError {
    let at_target = errno.is_any(&[libc::EEXIST, libc::ENOSPC, libc::EDQUOT]);
    TreeError::io("move", if at_target { &target.path } else { &source.path }, errno)
}

#[cfg(test)]
mod tests;
