//! Trees that are to outlast a loss of power.

use std::ffi::CString;
use std::os::fd::AsFd;

use crate::cancel::Cancel;
use crate::directories::Directories;
use crate::error::{Result, TreeError};
use crate::root::Root;
use crate::sys::{self, FileType};

/// Waits until every file and directory of a tree is on the disk, and the name of its top.
pub fn sync_tree(path: &[u8], cancel: &Cancel) -> Result<()> {
    let mut walk = Walk { directories: Directories::new(Root::open(path)?) };
    let top = walk.directories.root_name();
    walk.visit(top.clone())?;
    while !walk.directories.is_empty() {
        cancel.check()?;
        match walk.directories.next_name() {
            Some(name) => walk.visit(name)?,
            None => walk.leave()?,
        }
    }
    walk.directories.done("sync", &top, sys::sync_handle(walk.directories.current()))
}

struct Walk {
    directories: Directories,
}

impl Walk {
    /// Syncs one entry of the current directory, or enters it when it is a directory itself. A link is part of its directory.
    fn visit(&mut self, name: CString) -> Result<()> {
        let current = self.directories.current();
        let file_type = self.directories.done("stat", &name, sys::stat_at(current, &name))?.file_type();
        match file_type {
            FileType::Regular => {
                let file = self.directories.done("open", &name, sys::open_regular(current, &name))?;
                self.directories.done("sync", &name, sys::sync(file.as_fd()))
            }
            FileType::Directory => self.directories.open_and_enter(name),
            FileType::Symlink => Ok(()),
            FileType::Other => Err(TreeError::unsupported_type(&self.directories.path_of(&name))),
        }
    }

    /// Leaves the current directory, of which everything below is on the disk.
    fn leave(&mut self) -> Result<()> {
        let synced = sys::sync(self.directories.current());
        let name = self.directories.leave()?;
        self.directories.done("sync", &name, synced)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sys::injected::{Call, counting, failing};
    use crate::testing::{TempDir, bytes, failure, make_fifo};

    fn make_tree(temp: &TempDir) -> std::path::PathBuf {
        let tree = temp.join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(tree.join("a/b/file"), "1").unwrap();
        fs::write(tree.join("file"), "2").unwrap();
        symlink("/etc/passwd", tree.join("link")).unwrap();
        tree
    }

    #[test]
    fn reaches_every_file_and_directory_and_the_one_above() {
        let temp = TempDir::new();
        let tree = make_tree(&temp);
        let count = |path: &[u8]| counting(Call::Sync, || sync_tree(path, &Cancel::new()).unwrap());
        assert_eq!(count(bytes(&tree)), 6);
        assert_eq!(count(bytes(&tree.join("file"))), 2);
        assert_eq!(count(bytes(&tree.join("link"))), 1);
    }

    #[test]
    fn says_what_did_not_get_there() {
        let temp = TempDir::new();
        let tree = make_tree(&temp);
        let error = failing(Call::Sync, libc::EIO, || sync_tree(bytes(&tree), &Cancel::new())).unwrap_err();
        assert_eq!((error.code(), error.step, error.errno), ("ERR_TREE_IO", Some("sync"), Some(libc::EIO)));
        assert_eq!(error.path, bytes(&tree.join("a/b/file")));
        let absent = temp.join("absent");
        assert_eq!(failure(sync_tree(bytes(&absent), &Cancel::new())).errno, Some(libc::ENOENT));
        make_fifo(&tree.join("fifo"));
        assert_eq!(failure(sync_tree(bytes(&tree), &Cancel::new())).code(), "ERR_TREE_TYPE");
    }

    #[test]
    fn ends_when_it_is_asked_to() {
        let temp = TempDir::new();
        let cancel = Cancel::new();
        cancel.request();
        assert_eq!(failure(sync_tree(bytes(&make_tree(&temp)), &cancel)).code(), "ERR_CANCELLED");
    }
}
