//! Trees from archives.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest as _, Sha256};

use crate::archive::{Event, Reader, Stop};
use crate::cancel::Cancel;
use crate::copy::write_all;
use crate::error::{Errno, Result, TreeError};
use crate::hash::Digest;
use crate::remove::remove_top;
use crate::root::Root;
use crate::sys;

/// Modes of what is created, narrowed by the umask. Nix: src/libutil/archive.cc, `RestoreSink`.
const DIRECTORY_MODE: u32 = 0o777;
const PLAIN_MODE: u32 = 0o666;
const EXECUTABLE_MODE: u32 = 0o777;

/// Writes the tree of an archive that comes in pieces. It grows under a name of its own beside the target and gets the target's name when
/// the archive is whole; what is dropped before that leaves nothing behind.
pub struct Restorer {
    reader: Reader,
    tree: Tree,
    hasher: Sha256,
    size: u64,
    /// Whether the tree has the target's name.
    finished: bool,
}

impl Restorer {
    /// A tree to be at `target`, where nothing may be yet. With `sync` it is on the disk before it has its name.
    pub fn open(target: &[u8], sync: bool) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let target = Root::open(target)?;
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!(".drvkit-restore-{}-{number}", std::process::id());
        let name = CString::new(name).map_err(|_| TreeError::io("create", &target.path, Errno(libc::EINVAL)))?;
        let tree = Tree { target, name, sync, frames: Vec::new(), file: None, created: false };
        Ok(Self { reader: Reader::new(), tree, hasher: Sha256::new(), size: 0, finished: false })
    }

    /// Takes the next bytes of the archive.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        let Self { reader, tree, .. } = self;
        reader.feed(bytes, &mut |event| tree.take(event)).map_err(|stop| match stop {
            Stop::Refused(message) => TreeError::archive(message, &tree.target.path),
            Stop::Taker(error) => error,
        })
    }

    /// The archive is whole: the tree gets its name. Returns the SHA-256 of the archive.
    pub fn finish(mut self) -> Result<Digest> {
        let Tree { target, name, .. } = &self.tree;
        self.reader.finish().map_err(|message| TreeError::archive(message, &target.path))?;
        let (from, to) = ((target.parent(), name.as_c_str()), (target.parent(), target.name.as_c_str()));
        sys::rename_new(from, to).map_err(|errno| TreeError::io("create", &target.path, errno))?;
        // From here on it is that one that goes if it cannot stay.
        self.tree.name = self.tree.target.name.clone();
        if self.tree.sync {
            let target = &self.tree.target;
            sys::sync_handle(target.parent()).map_err(|errno| TreeError::io("sync", &target.path, errno))?;
        }
        self.finished = true;
        Ok(Digest { bytes: std::mem::take(&mut self.hasher).finalize().to_vec(), size: self.size })
    }
}

impl Drop for Restorer {
    fn drop(&mut self) {
        if self.tree.created && !self.finished {
            // Nobody is left to hear of a failure.
            let _ = self.tree.target.sibling(&self.tree.name).and_then(|top| remove_top(top, &Cancel::new()));
        }
    }
}

/// What is there of a tree. Nothing of it is reached by a path: each directory is held while it is filled.
struct Tree {
    target: Root,
    /// What the tree is called until it is whole.
    name: CString,
    sync: bool,
    frames: Vec<Frame>,
    /// The file at hand.
    file: Option<OpenFile>,
    created: bool,
}

struct Frame {
    directory: OwnedFd,
    name: Vec<u8>,
}

struct OpenFile {
    fd: OwnedFd,
    name: Vec<u8>,
    /// How much of it is to come.
    left: u64,
}

impl Tree {
    fn take(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Directory { name } => {
                let directory = self.create(name, |parent, name| {
                    sys::make_directory(parent, name, DIRECTORY_MODE)?;
                    sys::open_directory(parent, name)
                })?;
                self.frames.push(Frame { directory, name: name.to_vec() });
            }
            Event::DirectoryEnd => {
                if let Some(Frame { directory, name }) = self.frames.pop() {
                    self.complete(&directory, &name)?;
                }
            }
            Event::Regular { name, executable, size } => {
                let mode = if executable { EXECUTABLE_MODE } else { PLAIN_MODE };
                let fd = self.create(name, |parent, name| sys::create_regular(parent, name, mode))?;
                if size > 0 {
                    self.file = Some(OpenFile { fd, name: name.to_vec(), left: size });
                } else {
                    self.complete(&fd, name)?;
                }
            }
            Event::Contents(bytes) => {
                let Some(mut file) = self.file.take() else { return Ok(()) };
                write_all(file.fd.as_fd(), bytes).map_err(|errno| self.error("write", &file.name, errno))?;
                file.left -= bytes.len() as u64;
                if file.left == 0 {
                    self.complete(&file.fd, &file.name)?;
                } else {
                    self.file = Some(file);
                }
            }
            Event::Symlink { name, target } => {
                let target = CString::new(target).map_err(|_| self.error("create", name, Errno(libc::EINVAL)))?;
                self.create(name, |parent, name| sys::make_link(&target, parent, name))?;
            }
        }
        Ok(())
    }

    /// Nothing more is written to this file or directory.
    fn complete(&self, fd: &OwnedFd, name: &[u8]) -> Result<()> {
        if !self.sync {
            return Ok(());
        }
        sys::sync(fd.as_fd()).map_err(|errno| self.error("sync", name, errno))
    }

    /// Makes an entry of the directory at hand, or the top.
    fn create<T>(
        &mut self,
        name: &[u8],
        make: impl FnOnce(BorrowedFd<'_>, &CStr) -> std::result::Result<T, Errno>,
    ) -> Result<T> {
        let entry = CString::new(name).map_err(|_| self.error("create", name, Errno(libc::EINVAL)))?;
        let made = match self.frames.last() {
            Some(frame) => make(frame.directory.as_fd(), &entry),
            None => make(self.target.parent(), &self.name),
        };
        let made = made.map_err(|errno| self.error("create", name, errno))?;
        self.created = true;
        Ok(made)
    }

    /// Shown as if it were at its target already.
    fn error(&self, step: &'static str, name: &[u8], errno: Errno) -> TreeError {
        let mut path = self.target.path.clone();
        let names = self.frames.iter().map(|frame| frame.name.as_slice()).chain([name]);
        for name in names.filter(|name| !name.is_empty()) {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        TreeError::io(step, &path, errno)
    }
}

#[cfg(test)]
mod tests;
