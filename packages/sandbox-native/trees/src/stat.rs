//! What is at the top of a tree.

use crate::error::{Errno, Result, TreeError};
use crate::root::Root;
use crate::sys::{self, FileType};

/// The type of the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else.
    Other,
}

impl From<FileType> for TopType {
    fn from(file_type: FileType) -> Self {
        match file_type {
            FileType::Regular => Self::Regular,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Other => Self::Other,
        }
    }
}

/// What `stat_tree` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopStat {
    /// The type.
    pub file_type: TopType,
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The length of a file or of a link's target.
    pub size: u64,
}

/// Looks at the top of a tree, without following it; `None` when there is nothing.
pub fn stat_tree(path: &[u8]) -> Result<Option<TopStat>> {
    let looked = Root::try_open(path).and_then(|root| sys::stat_at(root.parent(), &root.name));
    match looked {
        Ok(stat) => {
            Ok(Some(TopStat { file_type: stat.file_type().into(), mode: stat.mode, uid: stat.uid, size: stat.size }))
        }
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
        Err(errno) => Err(TreeError::io("stat", path, errno)),
    }
}
