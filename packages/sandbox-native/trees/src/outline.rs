//! What a tree consists of and where each file's contents are in its archive, without reading any.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::vec;

use crate::cancel::Cancel;
use crate::dump::{DEPTH_LIMIT, padding};
use crate::error::{Errno, Result, TreeError};
use crate::list::sorted_names;
use crate::root::Root;
use crate::sys::{self, FileType};

/// One node of a tree, in the order of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// How many directories it is in.
    pub depth: usize,
    /// Empty for the top.
    pub name: Vec<u8>,
    /// What it is.
    pub what: What,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A directory; its entries follow.
    Directory,
    /// A file.
    Regular {
        /// Whether its owner may execute it.
        executable: bool,
        /// Length of its contents.
        size: u64,
        /// Byte of the archive at which they begin.
        nar_offset: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads.
        target: Vec<u8>,
    },
}

/// Looks through a tree.
pub fn outline_tree(path: &[u8], cancel: &Cancel) -> Result<Vec<Node>> {
    let root = Root::open(path)?;
    let mut walk = Walk { root, frames: Vec::new(), nodes: Vec::new(), offset: string(MAGIC), cancel };
    walk.visit(None)?;
    while let Some(frame) = walk.frames.last_mut() {
        match frame.names.next() {
            Some(name) => walk.visit(Some(name))?,
            None => {
                walk.frames.pop();
                walk.offset += string(b")");
                walk.end_entry();
            }
        }
    }
    Ok(walk.nodes)
}

const MAGIC: &[u8] = b"nix-archive-1";

/// How long a string is in an archive.
fn string(bytes: &[u8]) -> u64 {
    let length = bytes.len() as u64;
    8 + length + padding(length) as u64
}

fn strings(all: &[&[u8]]) -> u64 {
    all.iter().map(|bytes| string(bytes)).sum()
}

struct Walk<'a> {
    root: Root,
    frames: Vec<Frame>,
    nodes: Vec<Node>,
    /// How long the archive is up to here.
    offset: u64,
    cancel: &'a Cancel,
}

struct Frame {
    directory: OwnedFd,
    name: CString,
    names: vec::IntoIter<CString>,
}

impl Walk<'_> {
    /// Looks at an entry of the directory at hand, or at the top.
    fn visit(&mut self, name: Option<CString>) -> Result<()> {
        self.cancel.check()?;
        let is_top = name.is_none();
        let entry = name.unwrap_or_else(|| self.root.name.clone());
        if self.frames.len() >= DEPTH_LIMIT {
            return Err(TreeError::depth(&self.path_of(&entry), DEPTH_LIMIT));
        }
        let stat = sys::stat_at(self.directory(), &entry).map_err(|errno| self.io("stat", &entry, errno))?;
        let named: &[u8] = if is_top { b"" } else { entry.to_bytes() };
        if !is_top {
            self.offset += strings(&[b"entry", b"(", b"name", named, b"node"]);
        }
        let (depth, name) = (self.frames.len(), named.to_vec());
        match stat.file_type() {
            FileType::Directory => {
                self.nodes.push(Node { depth, name, what: What::Directory });
                self.enter(entry)?;
            }
            FileType::Regular => {
                let executable = stat.is_owner_executable();
                let what = self.regular(executable, stat.size);
                self.nodes.push(Node { depth, name, what });
                self.end_entry();
            }
            FileType::Symlink => {
                let target =
                    sys::read_link(self.directory(), &entry).map_err(|errno| self.io("read link", &entry, errno))?;
                self.offset += strings(&[b"(", b"type", b"symlink", b"target", &target, b")"]);
                self.nodes.push(Node { depth, name, what: What::Symlink { target } });
                self.end_entry();
            }
            FileType::Other => return Err(TreeError::unsupported_type(&self.path_of(&entry))),
        }
        Ok(())
    }

    fn enter(&mut self, name: CString) -> Result<()> {
        let directory = sys::open_directory(self.directory(), &name).map_err(|errno| self.io("open", &name, errno))?;
        let names = sorted_names(directory.as_fd()).map_err(|errno| self.io("list", &name, errno))?.into_iter();
        self.offset += strings(&[b"(", b"type", b"directory"]);
        self.frames.push(Frame { directory, name, names });
        Ok(())
    }

    fn regular(&mut self, executable: bool, size: u64) -> What {
        self.offset += strings(&[b"(", b"type", b"regular"]);
        if executable {
            self.offset += strings(&[b"executable", b""]);
        }
        // The contents are a string: their length comes first.
        self.offset += string(b"contents") + 8;
        let nar_offset = self.offset;
        self.offset += size + padding(size) as u64 + string(b")");
        What::Regular { executable, size, nar_offset }
    }

    /// Closes the entry that a node stood in; the top stands in none.
    fn end_entry(&mut self) {
        if !self.frames.is_empty() {
            self.offset += string(b")");
        }
    }

    fn directory(&self) -> BorrowedFd<'_> {
        self.frames.last().map_or_else(|| self.root.parent(), |frame| frame.directory.as_fd())
    }

    fn path_of(&self, name: &CStr) -> Vec<u8> {
        let mut path = self.root.path.clone();
        let names = self.frames.iter().map(|frame| frame.name.as_c_str()).chain([name]).skip(1);
        for name in names {
            path.push(b'/');
            path.extend_from_slice(name.to_bytes());
        }
        path
    }

    fn io(&self, step: &'static str, name: &CStr, errno: Errno) -> TreeError {
        TreeError::io(step, &self.path_of(name), errno)
    }
}

#[cfg(test)]
mod tests;
