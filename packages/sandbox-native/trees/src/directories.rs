//! The directories between the top of a tree and where a walk is, without a descriptor for each.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::vec;

use crate::error::{Errno, Result, TreeError};
use crate::list::sorted_names;
use crate::root::Root;
use crate::sys;

/// Descriptors kept open. A builder can nest directories deeper than any limit on open files.
const OPEN_LIMIT: usize = 32;

struct Frame {
    /// Closed in the frames furthest up; opened again through ".." of the frame below.
    directory: Option<OwnedFd>,
    identity: (u64, u64),
    /// What is left to visit.
    names: vec::IntoIter<CString>,
    /// Name of this directory in the one above.
    name: CString,
}

/// A walk through a tree: a stack of directories, the top of the tree below all.
pub(crate) struct Directories {
    root: Root,
    frames: Vec<Frame>,
}

impl Directories {
    pub fn new(root: Root) -> Self {
        Self { root, frames: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many directories the walk is in.
    pub fn depth(&self) -> usize {
        self.frames.len()
    }

    pub fn root_name(&self) -> CString {
        self.root.name.clone()
    }

    /// The directory that the walk is in: that of the last frame, or the one above the tree.
    pub fn current(&self) -> BorrowedFd<'_> {
        match self.frames.last() {
            Some(frame) => frame.directory.as_ref().expect("bug: the last frame is open").as_fd(),
            None => self.root.parent(),
        }
    }

    /// Enters `directory`, called `name` in the current one.
    pub fn enter(&mut self, directory: OwnedFd, name: CString) -> std::result::Result<(), Errno> {
        let identity = sys::stat(directory.as_fd())?.identity();
        let names = sorted_names(directory.as_fd())?.into_iter();
        self.frames.push(Frame { directory: Some(directory), identity, names, name });
        if let Some(beyond) = self.frames.len().checked_sub(OPEN_LIMIT + 1) {
            self.frames[beyond].directory = None;
        }
        Ok(())
    }

    /// Opens the directory `name` in the current one and enters it.
    pub fn open_and_enter(&mut self, name: CString) -> Result<()> {
        let directory = self.done("open", &name, sys::open_directory(self.current(), &name))?;
        let entered = self.enter(directory, name.clone());
        self.done("list", &name, entered)
    }

    /// The next entry of the current directory.
    pub fn next_name(&mut self) -> Option<CString> {
        self.frames.last_mut()?.names.next()
    }

    /// Leaves the current directory and returns its name in the one above, which becomes current.
    ///
    /// A directory that was closed meanwhile must still be where it was: if somebody moved the lower one, ".." leads elsewhere.
    pub fn leave(&mut self) -> Result<CString> {
        let left = self.frames.pop().expect("bug: a directory to leave");
        if let Some(above) = self.frames.last_mut()
            && above.directory.is_none()
        {
            let lower = left.directory.as_ref().expect("bug: the last frame is open");
            let reopened = reopen_above(lower.as_fd(), above.identity);
            match reopened {
                Ok(Some(directory)) => above.directory = Some(directory),
                Ok(None) => return Err(TreeError::changed(&self.path_of(&left.name))),
                Err(errno) => return Err(TreeError::io("open", &self.path_of(c".."), errno)),
            }
        }
        Ok(left.name)
    }

    /// The path of `name` in the current directory, for messages.
    pub fn path_of(&self, name: &CStr) -> Vec<u8> {
        let mut path = self.root.path.clone();
        let names = self.frames.iter().map(|frame| frame.name.as_c_str()).chain([name]).skip(1);
        for name in names {
            path.push(b'/');
            path.extend_from_slice(name.to_bytes());
        }
        path
    }

    pub fn io(&self, step: &'static str, name: &CStr, errno: Errno) -> TreeError {
        TreeError::io(step, &self.path_of(name), errno)
    }

    /// What a step did with `name` in the current directory, told with its path when it failed.
    pub fn done<T>(&self, step: &'static str, name: &CStr, result: std::result::Result<T, Errno>) -> Result<T> {
        result.map_err(|errno| self.io(step, name, errno))
    }
}

/// `None` when the directory above is not the one that was left.
fn reopen_above(lower: BorrowedFd<'_>, expected: (u64, u64)) -> std::result::Result<Option<OwnedFd>, Errno> {
    let above = sys::open_above(lower)?;
    let found = sys::stat(above.as_fd())?.identity();
    Ok((found == expected).then_some(above))
}
