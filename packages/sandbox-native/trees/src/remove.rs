//! Removal of a tree, whatever it is and whoever still changes it.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use crate::cancel::Cancel;
use crate::directories::Directories;
use crate::error::{Errno, Result, TreeError};
use crate::root::Root;
use crate::sys;

/// How often an entry that keeps changing is tried again.
const ATTEMPTS: usize = 64;

/// Removes a tree; one that is absent is removed already.
///
/// Links are removed, not followed. Directories without permissions are given some first. What is mounted inside is not entered: it is an
/// error, as is a directory that somebody moves away during the removal. A removal that is cancelled leaves the rest.
pub fn remove_tree(path: &[u8], cancel: &Cancel) -> Result<()> {
    let root = match Root::try_open(path) {
        Ok(root) => root,
        Err(errno) if errno.is_any(&[libc::ENOENT, libc::ENOTDIR]) => return Ok(()),
        Err(errno) => return Err(TreeError::io("open", path, errno)),
    };
    remove_top(root, cancel)
}

/// As `remove_tree`, of a tree whose directory is held already.
pub(crate) fn remove_top(root: Root, cancel: &Cancel) -> Result<()> {
    let mut walk = Removal { directories: Directories::new(root), attempts_left: ATTEMPTS };
    let top = walk.directories.root_name();
    walk.visit(top)?;
    while !walk.directories.is_empty() {
        cancel.check()?;
        match walk.directories.next_name() {
            Some(name) => walk.visit(name)?,
            None => walk.leave()?,
        }
    }
    Ok(())
}

struct Removal {
    directories: Directories,
    attempts_left: usize,
}

impl Removal {
    /// Removes one entry of the current directory, or enters it when it is a directory itself.
    fn visit(&mut self, name: CString) -> Result<()> {
        loop {
            match sys::unlink(self.directories.current(), &name) {
                Ok(()) | Err(Errno(libc::ENOENT)) => return Ok(()),
                // Linux says EISDIR for a directory, POSIX says EPERM, which may also mean that removal is forbidden.
                Err(unlinked @ Errno(libc::EISDIR | libc::EPERM)) => match self.open(&name) {
                    Ok(directory) => return self.enter(directory, name),
                    Err(Errno(libc::ENOENT)) => return Ok(()),
                    // No directory (any more).
                    Err(Errno(libc::ENOTDIR | libc::ELOOP)) if unlinked.0 == libc::EPERM => {
                        return Err(self.directories.io("remove", &name, unlinked));
                    }
                    Err(Errno(libc::ENOTDIR | libc::ELOOP)) => self.try_again(&name)?,
                    Err(errno) => return Err(self.directories.io("open", &name, errno)),
                },
                Err(errno) => return Err(self.directories.io("remove", &name, errno)),
            }
        }
    }

    /// Opens a directory for listing and makes sure that its entries can be removed.
    fn open(&self, name: &CString) -> std::result::Result<OwnedFd, Errno> {
        let handle = sys::open_directory_of_same_mount(self.directories.current(), name)?;
        let stat = sys::stat(handle.as_fd())?;
        if stat.mode & 0o700 != 0o700 {
            match sys::set_mode(handle.as_fd(), 0o700) {
                // Not ours: what follows will say whether that matters.
                Ok(()) | Err(Errno(libc::EPERM)) => {}
                Err(errno) => return Err(errno),
            }
        }
        sys::reopen_directory(handle.as_fd())
    }

    fn enter(&mut self, directory: OwnedFd, name: CString) -> Result<()> {
        match self.directories.enter(directory, name.clone()) {
            // Somebody else removes the same tree: a directory without a name cannot be listed.
            Ok(()) | Err(Errno(libc::ENOENT)) => Ok(()),
            Err(errno) => Err(self.directories.io("list", &name, errno)),
        }
    }

    /// Leaves the current directory and removes it.
    fn leave(&mut self) -> Result<()> {
        let name = self.directories.leave()?;
        match sys::remove_directory(self.directories.current(), &name) {
            Ok(()) | Err(Errno(libc::ENOENT)) => Ok(()),
            // Somebody added to it or put something else in its place.
            Err(Errno(libc::ENOTEMPTY | libc::EEXIST | libc::ENOTDIR)) => {
                self.try_again(&name)?;
                self.visit(name)
            }
            Err(errno) => Err(self.directories.io("remove", &name, errno)),
        }
    }

    fn try_again(&mut self, name: &CString) -> Result<()> {
        self.attempts_left = match self.attempts_left.checked_sub(1) {
            Some(left) => left,
            None => return Err(TreeError::changed(&self.directories.path_of(name))),
        };
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
