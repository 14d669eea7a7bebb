//! Moves of trees within one file system.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Errno, Result, TreeError};
use crate::root::Root;
use crate::sys::{self, FileType};

/// Renames the top of a tree to a name that is free; EEXIST when it is not.
pub fn move_tree(from: &[u8], to: &[u8]) -> Result<()> {
    let source = Root::open(from)?;
    let target = Root::open(to)?;
    while_writable(&[&source], || rename(&source, &target))?.map_err(|errno| rename_error(&source, &target, errno))
}

/// Puts a tree where another one may be, in one step: at no moment is the name missing. What was there is at `from` afterwards.
pub fn replace_tree(from: &[u8], to: &[u8]) -> Result<()> {
    let source = Root::open(from)?;
    let target = Root::open(to)?;
    match while_writable(&[&source], || rename(&source, &target))? {
        Err(Errno(libc::EEXIST)) => {}
        renamed => return renamed.map_err(|errno| rename_error(&source, &target, errno)),
    }
    while_writable(&[&source, &target], || exchange(&source, &target))?
        .map_err(|errno| rename_error(&source, &target, errno))
}

type Renamed = std::result::Result<(), Errno>;

/// Moving a directory to another parent changes its "..", so the kernel wants it writable unless we are root: read-only ones are made
/// writable for the moment of the rename. The outer result is of that, the inner one of the rename.
fn while_writable(trees: &[&Root], act: impl Fn() -> Renamed) -> Result<Renamed> {
    match act() {
        Err(Errno(libc::EACCES)) => {}
        result => return Ok(result),
    }
    let mut changed = Vec::new();
    for tree in trees {
        match make_writable(tree) {
            Ok(None) => {}
            Ok(Some(mode)) => changed.push((mode, tree)),
            Err(error) => {
                // What is said is the first failure.
                let _ = restore_modes(&changed);
                return Err(error);
            }
        }
    }
    if changed.is_empty() {
        return Ok(Err(Errno(libc::EACCES)));
    }
    let result = act();
    let restored = restore_modes(&changed);
    if result.is_ok() {
        restored?;
    }
    Ok(result)
}

/// A directory and the mode it had.
struct ReadOnly {
    handle: OwnedFd,
    mode: u32,
}

fn make_writable(tree: &Root) -> Result<Option<ReadOnly>> {
    let io = |step| move |errno| TreeError::io(step, &tree.path, errno);
    let handle = sys::open_handle(tree.parent(), &tree.name).map_err(io("open"))?;
    let stat = sys::stat(handle.as_fd()).map_err(io("stat"))?;
    let mode = stat.mode & 0o7777;
    if stat.file_type() != FileType::Directory || mode & 0o200 != 0 {
        return Ok(None);
    }
    sys::set_mode(handle.as_fd(), mode | 0o200).map_err(io("set the mode of"))?;
    Ok(Some(ReadOnly { handle, mode }))
}

/// Through the handles, so that it reaches the same directories under whatever names.
fn restore_modes(changed: &[(ReadOnly, &&Root)]) -> Result<()> {
    let mut result = Ok(());
    for (ReadOnly { handle, mode }, tree) in changed {
        let restored = sys::set_mode(handle.as_fd(), *mode);
        result = result.and(restored.map_err(|errno| TreeError::io("set the mode of", &tree.path, errno)));
    }
    result
}

fn rename(source: &Root, target: &Root) -> Renamed {
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

/// Where two names cannot be exchanged in one step, the old tree steps aside and comes back when the new one cannot take its place.
fn exchange(source: &Root, target: &Root) -> Renamed {
    let from = (source.parent(), source.name.as_c_str());
    let to = (target.parent(), target.name.as_c_str());
    match sys::exchange(from, to) {
        Err(Errno(libc::EINVAL | libc::ENOSYS)) => exchange_by_steps(source, target),
        result => result,
    }
}

fn exchange_by_steps(source: &Root, target: &Root) -> Renamed {
    let from = (source.parent(), source.name.as_c_str());
    let to = (target.parent(), target.name.as_c_str());
    let mut name = source.name.as_bytes().to_vec();
    name.extend_from_slice(b".old");
    let name = CString::new(name).map_err(|_| Errno(libc::EINVAL))?;
    let aside = (source.parent(), name.as_c_str());
    sys::rename(to, aside)?;
    if let Err(errno) = sys::rename(from, to) {
        // What is said is why the new tree could not take the place.
        let _ = sys::rename(aside, to);
        return Err(errno);
    }
    sys::rename(aside, from)
}

fn rename_error(source: &Root, target: &Root, errno: Errno) -> TreeError {
    let at_target = errno.is_any(&[libc::EEXIST, libc::ENOSPC, libc::EDQUOT]);
    TreeError::io("move", if at_target { &target.path } else { &source.path }, errno)
}

#[cfg(test)]
mod tests;
