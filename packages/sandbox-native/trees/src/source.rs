//! Bytes that are produced in chunks: archives, files, decompressed logs.

use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Result, TreeError};
use crate::root::Root;
use crate::sys::{self, FileType};

/// Something that produces bytes as far as it is asked to. Nothing happens between two calls, so that a slow consumer holds no thread.
pub trait ChunkSource: Send {
    /// Fills `chunk` from its start and returns how much; less than `chunk.len()` only at the end.
    fn fill(&mut self, chunk: &mut [u8]) -> Result<usize>;
}

/// The bytes of one open regular file.
pub(crate) struct FileBytes {
    file: OwnedFd,
    /// What `fstat` promised and was not read yet.
    left: u64,
}

/// Below this a read-ahead hint costs more than it gains.
const ADVISE_FROM_BYTES: u64 = 1 << 20;

impl FileBytes {
    pub fn new(file: OwnedFd, size: u64) -> Self {
        if size >= ADVISE_FROM_BYTES {
            sys::advise_sequential(file.as_fd());
        }
        Self { file, left: size }
    }

    pub fn is_finished(&self) -> bool {
        self.left == 0
    }

    /// Reads until `chunk` is full or the file is at its end; `path` is for the error.
    pub fn fill(&mut self, chunk: &mut [u8], path: impl Fn() -> Vec<u8>) -> Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(chunk.len());
        let mut filled = 0;
        while filled < wanted {
            match sys::read(self.file.as_fd(), &mut chunk[filled..wanted]) {
                Ok(0) => return Err(TreeError::changed(&path())),
                Ok(length) => filled += length,
                Err(errno) => return Err(TreeError::io("read", &path(), errno)),
            }
        }
        self.left -= filled as u64;
        Ok(filled)
    }
}

/// The plain bytes of one regular file.
pub struct FileSource {
    path: Vec<u8>,
    bytes: FileBytes,
}

impl FileSource {
    /// Opens a regular file, never through a link in its last component.
    pub fn open(path: &[u8]) -> Result<Self> {
        let (file, size) = open_regular_file(path)?;
        Ok(Self { path: path.to_vec(), bytes: FileBytes::new(file, size) })
    }

    /// How much was not read yet.
    pub(crate) fn left(&self) -> u64 {
        self.bytes.left
    }
}

impl ChunkSource for FileSource {
    fn fill(&mut self, chunk: &mut [u8]) -> Result<usize> {
        self.bytes.fill(chunk, || self.path.clone())
    }
}

/// A regular file and its size. Looks before it opens, because opening a device may act on it, and again afterwards.
pub(crate) fn open_regular_file(path: &[u8]) -> Result<(OwnedFd, u64)> {
    let root = Root::open(path)?;
    let io = |step, errno| TreeError::io(step, path, errno);
    let seen = sys::stat_at(root.parent(), &root.name).map_err(|errno| io("stat", errno))?;
    if seen.file_type() != FileType::Regular {
        return Err(TreeError::not_regular(path));
    }
    let file = sys::open_regular(root.parent(), &root.name).map_err(|errno| io("open", errno))?;
    let opened = sys::stat(file.as_fd()).map_err(|errno| io("stat", errno))?;
    if opened.file_type() != FileType::Regular {
        return Err(TreeError::not_regular(path));
    }
    Ok((file, opened.size))
}
