//! The archive (NAR) of a tree, produced as far as somebody asks for it.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::vec;

use crate::error::{Errno, Result, TreeError};
use crate::list::{Entry, sorted_entries};
use crate::root::Root;
use crate::source::{ChunkSource, FileBytes};
use crate::sys::{self, FileType, Stat};

/// How many nodes may stand above one another, the root included. Nix: src/libutil/include/nix/util/archive.hh, `narMaxDepth`.
pub const DEPTH_LIMIT: usize = 64;

const ALIGNMENT: usize = 8;

/// Writes the archive of one tree. It keeps its place between calls in a stack of its own, one descriptor for each open directory.
pub struct Dumper {
    root: Root,
    /// Framing that was decided on and not handed out yet.
    framing: Vec<u8>,
    /// How much of `framing` was handed out.
    handed_out: usize,
    /// The contents that come after `framing`.
    contents: Option<FileBytes>,
    /// What follows `contents`.
    contents_padding: usize,
    frames: Vec<Frame>,
    state: State,
}

/// A directory whose entries are being written.
struct Frame {
    directory: OwnedFd,
    entries: vec::IntoIter<Entry>,
    /// The entry that is being written.
    current: Entry,
}

#[derive(PartialEq, Eq)]
enum State {
    Start,
    Nodes,
    /// The node before this one was a file whose contents have been announced; it still has to be closed.
    AfterContents,
    End,
}

impl Dumper {
    /// Opens the directory above a tree; the tree itself is looked at when the first bytes are asked for.
    pub fn open(path: &[u8]) -> Result<Self> {
        Ok(Self {
            root: Root::open(path)?,
            framing: Vec::with_capacity(1024),
            handed_out: 0,
            contents: None,
            contents_padding: 0,
            frames: Vec::new(),
            state: State::Start,
        })
    }

    /// Decides what comes next, now that everything decided on has been handed out.
    fn advance(&mut self) -> Result<()> {
        self.framing.clear();
        self.handed_out = 0;
        match self.state {
            State::Start => {
                push_string(&mut self.framing, b"nix-archive-1");
                self.state = State::Nodes;
                self.begin_node()
            }
            State::AfterContents => {
                self.framing.resize(self.contents_padding, 0);
                self.state = State::Nodes;
                self.end_node();
                Ok(())
            }
            State::Nodes => self.next_entry(),
            State::End => Ok(()),
        }
    }

    fn next_entry(&mut self) -> Result<()> {
        let frame = self.frames.last_mut().expect("bug: an open directory");
        let Some(entry) = frame.entries.next() else {
            self.frames.pop();
            self.end_node();
            return Ok(());
        };
        push_strings(&mut self.framing, &[b"entry", b"(", b"name", entry.name.to_bytes(), b"node"]);
        frame.current = entry;
        self.begin_node()
    }

    /// The directory and name of the node at hand.
    fn place(&self) -> (BorrowedFd<'_>, &CStr) {
        match self.frames.last() {
            Some(frame) => (frame.directory.as_fd(), &frame.current.name),
            None => (self.root.parent(), &self.root.name),
        }
    }

    fn begin_node(&mut self) -> Result<()> {
        if self.frames.len() >= DEPTH_LIMIT {
            return Err(TreeError::depth(&self.path(), DEPTH_LIMIT));
        }
        let seen = match self.frames.last() {
            Some(frame) => frame.current.file_type(frame.directory.as_fd()),
            None => self.root.file_type(),
        };
        let file_type = seen.map_err(|errno| self.io("stat", errno))?;
        push_strings(&mut self.framing, &[b"(", b"type"]);
        match file_type {
            FileType::Regular => self.begin_regular(),
            FileType::Directory => self.begin_directory(),
            FileType::Symlink => self.write_link(),
            FileType::Other => Err(TreeError::unsupported_type(&self.path())),
        }
    }

    fn begin_regular(&mut self) -> Result<()> {
        let (directory, name) = self.place();
        let file = sys::open_regular(directory, name).map_err(|errno| self.io("open", errno))?;
        let opened: Stat = sys::stat(file.as_fd()).map_err(|errno| self.io("stat", errno))?;
        if opened.file_type() != FileType::Regular {
            return Err(TreeError::changed(&self.path()));
        }
        push_string(&mut self.framing, b"regular");
        if opened.is_owner_executable() {
            push_strings(&mut self.framing, &[b"executable", b""]);
        }
        push_string(&mut self.framing, b"contents");
        self.framing.extend_from_slice(&opened.size.to_le_bytes());
        self.contents_padding = padding(opened.size);
        self.contents = Some(FileBytes::new(file, opened.size));
        self.state = State::AfterContents;
        Ok(())
    }

    fn begin_directory(&mut self) -> Result<()> {
        let (directory, name) = self.place();
        let opened = sys::open_directory(directory, name).map_err(|errno| self.io("open", errno))?;
        let entries = sorted_entries(opened.as_fd()).map_err(|errno| self.io("list", errno))?;
        push_string(&mut self.framing, b"directory");
        self.frames.push(Frame { directory: opened, entries: entries.into_iter(), current: Entry::default() });
        Ok(())
    }

    fn write_link(&mut self) -> Result<()> {
        let (directory, name) = self.place();
        let target = sys::read_link(directory, name).map_err(|errno| self.io("read link", errno))?;
        push_strings(&mut self.framing, &[b"symlink", b"target", &target]);
        self.end_node();
        Ok(())
    }

    /// Closes the node at hand and, unless it is the root, the entry that it stands in.
    fn end_node(&mut self) {
        push_string(&mut self.framing, b")");
        if self.frames.is_empty() {
            self.state = State::End;
        } else {
            push_string(&mut self.framing, b")");
        }
    }

    /// Hands out framing or contents; 0 when both are used up.
    fn hand_out(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let waiting = &self.framing[self.handed_out..];
        if !waiting.is_empty() {
            let length = waiting.len().min(chunk.len());
            chunk[..length].copy_from_slice(&waiting[..length]);
            self.handed_out += length;
            return Ok(length);
        }
        let Some(mut contents) = self.contents.take() else {
            return Ok(0);
        };
        let length = contents.fill(chunk, || self.path())?;
        if !contents.is_finished() {
            self.contents = Some(contents);
        }
        Ok(length)
    }

    /// The path of the node at hand; put together only for errors.
    fn path(&self) -> Vec<u8> {
        let mut path = self.root.path.clone();
        for frame in self.frames.iter().filter(|frame| !frame.current.name.is_empty()) {
            path.push(b'/');
            path.extend_from_slice(frame.current.name.to_bytes());
        }
        path
    }

    fn io(&self, step: &'static str, errno: Errno) -> TreeError {
        TreeError::io(step, &self.path(), errno)
    }
}

impl ChunkSource for Dumper {
    fn fill(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < chunk.len() {
            let length = self.hand_out(&mut chunk[filled..])?;
            filled += length;
            if length == 0 {
                if self.state == State::End {
                    break;
                }
                self.advance()?;
            }
        }
        Ok(filled)
    }
}

/// Length of the zeros behind a string of this length.
pub(crate) fn padding(length: u64) -> usize {
    (length.wrapping_neg() % ALIGNMENT as u64) as usize
}

/// The string as an archive has it.
pub(crate) fn push_string(framing: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len() as u64;
    framing.extend_from_slice(&length.to_le_bytes());
    framing.extend_from_slice(bytes);
    framing.extend_from_slice(&[0; ALIGNMENT][..padding(length)]);
}

/// One after the other, as an archive has them.
pub(crate) fn push_strings(framing: &mut Vec<u8>, strings: &[&[u8]]) {
    for bytes in strings {
        push_string(framing, bytes);
    }
}

#[cfg(test)]
mod tests;
