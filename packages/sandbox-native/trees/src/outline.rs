//! What a tree consists of and where each file's contents are in its archive, without reading any.

use std::ffi::CString;

use crate::cancel::Cancel;
use crate::directories::Directories;
use crate::dump::{DEPTH_LIMIT, padding};
use crate::error::{Result, TreeError};
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
    let directories = Directories::new(Root::open(path)?);
    let mut walk = Walk { directories, nodes: Vec::new(), offset: string(MAGIC), cancel };
    walk.visit(walk.directories.root_name())?;
    while !walk.directories.is_empty() {
        match walk.directories.next_name() {
            Some(name) => walk.visit(name)?,
            None => walk.leave()?,
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
    directories: Directories,
    nodes: Vec<Node>,
    /// How long the archive is up to here.
    offset: u64,
    cancel: &'a Cancel,
}

impl Walk<'_> {
    /// Notes an entry of the current directory, or the top, and enters it when it is a directory itself.
    fn visit(&mut self, entry: CString) -> Result<()> {
        self.cancel.check()?;
        let depth = self.directories.depth();
        if depth >= DEPTH_LIMIT {
            return Err(TreeError::depth(&self.directories.path_of(&entry), DEPTH_LIMIT));
        }
        let stat = self.directories.done("stat", &entry, sys::stat_at(self.directories.current(), &entry))?;
        let mut name = Vec::new();
        if depth > 0 {
            name.extend_from_slice(entry.to_bytes());
            self.offset += strings(&[b"entry", b"(", b"name", &name, b"node"]);
        }
        match stat.file_type() {
            FileType::Directory => {
                self.nodes.push(Node { depth, name, what: What::Directory });
                self.enter(entry)?;
            }
            FileType::Regular => {
                let what = self.regular(stat.is_owner_executable(), stat.size);
                self.nodes.push(Node { depth, name, what });
                self.end_entry();
            }
            FileType::Symlink => {
                let target =
                    self.directories.done("read link", &entry, sys::read_link(self.directories.current(), &entry))?;
                self.offset += strings(&[b"(", b"type", b"symlink", b"target", &target, b")"]);
                self.nodes.push(Node { depth, name, what: What::Symlink { target } });
                self.end_entry();
            }
            FileType::Other => return Err(TreeError::unsupported_type(&self.directories.path_of(&entry))),
        }
        Ok(())
    }

    fn enter(&mut self, name: CString) -> Result<()> {
        self.directories.open_and_enter(name)?;
        self.offset += strings(&[b"(", b"type", b"directory"]);
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.directories.leave()?;
        self.offset += string(b")");
        self.end_entry();
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
        if !self.directories.is_empty() {
            self.offset += string(b")");
        }
    }
}

#[cfg(test)]
mod tests;
