//! Canonical metadata: what is left of a builder's modes, times, owners and attributes.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::cancel::Cancel;
use crate::directories::Directories;
use crate::error::{Errno, Result, TreeError};
use crate::root::Root;
use crate::sys::{self, FileType, Stat};

/// Extended attributes that stay, because they belong to the machine and not to the builder.
const IGNORED_ATTRIBUTES: [&CStr; 3] = [c"security.selinux", c"system.nfs4_acl", c"security.csm"];

const MODE_BITS: u32 = 0o7777;
const MODIFIED_AT_SECONDS: i64 = 1;

/// Files that were canonicalised in one build. One set serves all outputs of a build, because a hard link may join two of them.
#[derive(Debug, Default)]
pub struct SeenInodes {
    inodes: HashSet<(u64, u64)>,
}

impl SeenInodes {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Gives every file of a tree its canonical mode, time and owner and removes its extended attributes.
///
/// With `allowed_uids`, a file of any other owner is refused before anything about it is changed, so that a hard link to somebody else's
/// file does no harm; except a further link to a file of `seen`. What was changed before the refusal stays changed.
pub fn canonicalise_tree(
    path: &[u8],
    allowed_uids: Option<Range<u32>>,
    seen: &mut SeenInodes,
    cancel: &Cancel,
) -> Result<()> {
    let (uid, gid) = sys::effective_ids();
    let mut walk = Walk { directories: Directories::new(Root::open(path)?), allowed_uids, seen, uid, gid };
    let top = walk.directories.root_name();
    walk.visit(top)?;
    while !walk.directories.is_empty() {
        cancel.check()?;
        match walk.directories.next_name() {
            Some(name) => walk.visit(name)?,
            None => drop(walk.directories.leave()?),
        }
    }
    Ok(())
}

struct Walk<'a> {
    directories: Directories,
    allowed_uids: Option<Range<u32>>,
    seen: &'a mut SeenInodes,
    uid: u32,
    gid: u32,
}

impl Walk<'_> {
    /// Canonicalises one entry of the current directory, and enters it when it is a directory itself.
    fn visit(&mut self, name: CString) -> Result<()> {
        let handle = self.directories.done("open", &name, sys::open_handle(self.directories.current(), &name))?;
        let stat = self.directories.done("stat", &name, sys::stat(handle.as_fd()))?;
        let file_type = stat.file_type();
        if file_type == FileType::Other {
            return Err(TreeError::unsupported_type(&self.directories.path_of(&name)));
        }
        if self.allowed_uids.as_ref().is_some_and(|allowed| !allowed.contains(&stat.uid)) {
            if file_type != FileType::Directory && self.seen.inodes.contains(&stat.identity()) {
                return Ok(());
            }
            return Err(TreeError::ownership(&self.directories.path_of(&name)));
        }
        self.seen.inodes.insert(stat.identity());
        self.change(&name, handle.as_fd(), &stat)?;
        if file_type == FileType::Directory {
            self.enter(name, &handle)?;
        }
        Ok(())
    }

    fn change(&self, name: &CStr, handle: BorrowedFd<'_>, stat: &Stat) -> Result<()> {
        self.directories.done("remove extended attributes of", name, remove_attributes(handle, stat))?;
        let mode = canonical_mode(stat);
        // Always, because removing an access list may have changed it.
        if stat.file_type() != FileType::Symlink {
            self.directories.done("set the mode of", name, sys::set_mode(handle, mode))?;
        }
        self.directories.done("set the time of", name, sys::set_modified(handle, MODIFIED_AT_SECONDS))?;
        if stat.uid != self.uid {
            self.directories.done("set the owner of", name, sys::set_owner(handle, self.uid, self.gid))?;
        }
        Ok(())
    }

    fn enter(&mut self, name: CString, handle: &OwnedFd) -> Result<()> {
        let directory = self.directories.done("open", &name, sys::reopen_directory(handle.as_fd()))?;
        let entered = self.directories.enter(directory, name.clone());
        self.directories.done("list", &name, entered)
    }
}

/// Of a fresh file or directory of our own, that nobody else writes to: what its canonical mode and time are.
pub(crate) fn finish(file: BorrowedFd<'_>, mode: u32) -> std::result::Result<(), Errno> {
    sys::set_mode(file, mode & 0o111 | 0o444)?;
    sys::set_modified(file, MODIFIED_AT_SECONDS)
}

/// The same of a link.
pub(crate) fn finish_link(handle: BorrowedFd<'_>) -> std::result::Result<(), Errno> {
    sys::set_modified(handle, MODIFIED_AT_SECONDS)
}

/// Removes the extended attributes of a fresh file or directory of our own: access lists that it inherited.
pub(crate) fn strip(file: BorrowedFd<'_>) -> std::result::Result<(), Errno> {
    remove_attributes(file, &sys::stat(file)?)
}

/// Read and perhaps execute for all, for nobody more. Set-id and sticky bits vanish with the rest. A directory is always enterable.
fn canonical_mode(stat: &Stat) -> u32 {
    if stat.file_type() == FileType::Directory || stat.is_owner_executable() { 0o555 } else { 0o444 }
}

fn remove_attributes(handle: BorrowedFd<'_>, stat: &Stat) -> std::result::Result<(), Errno> {
    let names = match sys::list_attributes(handle) {
        Ok(names) => names,
        // A file system without extended attributes.
        Err(Errno(libc::EOPNOTSUPP | libc::ENODATA)) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    for name in names.iter().filter(|name| !IGNORED_ATTRIBUTES.contains(&name.as_c_str())) {
        match sys::remove_attribute(handle, name) {
            // The kernel wants the file writable for a `user.` attribute, and a builder may have made it read-only.
            Err(Errno(libc::EACCES)) if stat.file_type() != FileType::Symlink => {
                sys::set_mode(handle, stat.mode & MODE_BITS & 0o777 | 0o200)?;
                sys::remove_attribute(handle, name)?;
            }
            // Gone already: removing one access list may remove another.
            Err(Errno(libc::ENODATA)) => {}
            result => result?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
