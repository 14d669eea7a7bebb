//! The top of a tree: a name in a directory that we hold.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Errno, Result, TreeError};
use crate::sys::{self, FileType};

/// The top of a tree. Links above it are followed, it itself never is.
pub(crate) struct Root {
    parent: OwnedFd,
    /// Its name in `parent`; "." when the path has no last component of its own.
    pub name: CString,
    /// As the caller wrote it, for messages.
    pub path: Vec<u8>,
}

impl Root {
    pub fn open(path: &[u8]) -> Result<Self> {
        Self::try_open(path).map_err(|errno| TreeError::io("open", path, errno))
    }

    /// As `open`, with the bare error for callers to whom an absent parent is no failure.
    pub fn try_open(path: &[u8]) -> std::result::Result<Self, Errno> {
        let (parent, name) = split(path);
        let parent = CString::new(parent).map_err(|_| Errno(libc::EINVAL))?;
        let name = CString::new(name).map_err(|_| Errno(libc::EINVAL))?;
        Ok(Self { parent: sys::open_parent(&parent)?, name, path: path.to_vec() })
    }

    /// Another name in the same directory.
    pub fn sibling(&self, name: &CStr) -> Result<Self> {
        let parent = self.parent().try_clone_to_owned();
        let parent = parent
            .map_err(|error| TreeError::io("open", &self.path, Errno(error.raw_os_error().unwrap_or(libc::EIO))))?;
        Ok(Self { parent, name: name.to_owned(), path: self.path.clone() })
    }

    pub fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }

    pub fn file_type(&self) -> std::result::Result<FileType, Errno> {
        sys::stat_at(self.parent(), &self.name).map(|stat| stat.file_type())
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let path = Path::new(OsStr::from_bytes(path));
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent.as_os_str().is_empty() => (b".", name.as_bytes()),
        (Some(parent), Some(name)) => (parent.as_os_str().as_bytes(), name.as_bytes()),
        _ => (path.as_os_str().as_bytes(), b"."),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_last_component_is_the_name() {
        let cases: [(&[u8], &[u8], &[u8]); 7] = [
            (b"/a/b", b"/a", b"b"),
            (b"/a", b"/", b"a"),
            (b"a", b".", b"a"),
            (b"a/b/", b"a", b"b"),
            (b"/", b"/", b"."),
            (b"..", b"..", b"."),
            (b"a/..", b"a/..", b"."),
        ];
        for (path, parent, name) in cases {
            assert_eq!(split(path), (parent, name), "{}", String::from_utf8_lossy(path));
        }
    }
}
