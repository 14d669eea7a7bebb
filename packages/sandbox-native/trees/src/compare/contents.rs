//! Where the contents of two regular files differ.

use std::hash::{DefaultHasher, Hasher};
use std::os::fd::{AsFd, OwnedFd};

use crate::cancel::Cancel;
use crate::error::{Result, TreeError};
use crate::sys::{self, FileType};

/// Bytes before and after the first difference that are told: a whole block of a tar archive, whichever byte of it differs.
const BEFORE_BYTES: u64 = 512;
const AFTER_BYTES: usize = 512;

const CHUNK_BYTES: usize = 256 * 1024;

/// Two contents of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentsDiffer {
    /// Their lengths.
    pub sizes: (u64, u64),
    /// The first byte that differs; the length of the shorter one where that is how the longer one begins.
    pub offset: u64,
    /// Where what follows begins.
    pub around_offset: u64,
    /// What is around that byte in each.
    pub around: (Vec<u8>, Vec<u8>),
    /// Whether they have the same lines, in another order.
    pub same_lines: bool,
}

/// An open file that is compared.
pub(super) struct Contents {
    file: OwnedFd,
    size: u64,
    /// For errors.
    path: Vec<u8>,
}

impl Contents {
    /// What was opened must still be a regular file.
    pub fn new(file: OwnedFd, path: Vec<u8>) -> Result<Self> {
        let stat = sys::stat(file.as_fd()).map_err(|errno| TreeError::io("stat", &path, errno))?;
        if stat.file_type() != FileType::Regular {
            return Err(TreeError::changed(&path));
        }
        Ok(Self { file, size: stat.size, path })
    }

    fn rewind(&self, offset: u64) -> Result<()> {
        let sought = sys::seek(self.file.as_fd(), offset, libc::SEEK_SET);
        sought.map(|_| ()).map_err(|errno| TreeError::io("seek", &self.path, errno))
    }

    /// Fills `chunk`, but for the end of the file.
    fn fill<'a>(&self, chunk: &'a mut [u8]) -> Result<&'a [u8]> {
        let mut filled = 0;
        while filled < chunk.len() {
            match sys::read(self.file.as_fd(), &mut chunk[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(errno) => return Err(TreeError::io("read", &self.path, errno)),
            }
        }
        Ok(&chunk[..filled])
    }

    fn around(&self, from: u64, offset: u64) -> Result<Vec<u8>> {
        self.rewind(from)?;
        let length = usize::try_from(offset - from).expect("bug: a window of some bytes") + AFTER_BYTES;
        let mut window = vec![0; length];
        let length = self.fill(&mut window)?.len();
        window.truncate(length);
        Ok(window)
    }
}

/// How two files differ; nothing when they are equal.
pub(super) fn compare((one, other): (Contents, Contents), cancel: &Cancel) -> Result<Option<ContentsDiffer>> {
    let Some(offset) = first_difference(&one, &other, cancel)? else {
        return Ok(None);
    };
    let around_offset = offset.saturating_sub(BEFORE_BYTES);
    Ok(Some(ContentsDiffer {
        sizes: (one.size, other.size),
        offset,
        around_offset,
        around: (one.around(around_offset, offset)?, other.around(around_offset, offset)?),
        same_lines: one.size == other.size && lines(&one, cancel)? == lines(&other, cancel)?,
    }))
}

fn first_difference(one: &Contents, other: &Contents, cancel: &Cancel) -> Result<Option<u64>> {
    let mut buffers = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let mut offset = 0;
    loop {
        cancel.check()?;
        let (one, other) = (one.fill(&mut buffers.0)?, other.fill(&mut buffers.1)?);
        if one != other {
            let equal = one.iter().zip(other).take_while(|(one, other)| one == other).count();
            return Ok(Some(offset + equal as u64));
        }
        if one.is_empty() {
            return Ok(None);
        }
        offset += one.len() as u64;
    }
}

/// The lines of a file, whatever their order: how many, and the sum of their hashes.
#[derive(PartialEq, Eq)]
struct Lines {
    count: u64,
    sum: u64,
}

fn lines(file: &Contents, cancel: &Cancel) -> Result<Lines> {
    file.rewind(0)?;
    let mut lines = Lines { count: 0, sum: 0 };
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut line = DefaultHasher::new();
    let mut is_open = false;
    loop {
        cancel.check()?;
        let chunk = file.fill(&mut buffer)?;
        if chunk.is_empty() {
            if is_open {
                lines.add(&line);
            }
            return Ok(lines);
        }
        for piece in chunk.split_inclusive(|&byte| byte == b'\n') {
            let text = piece.strip_suffix(b"\n");
            line.write(text.unwrap_or(piece));
            is_open = text.is_none();
            if !is_open {
                lines.add(&line);
                line = DefaultHasher::new();
            }
        }
    }
}

impl Lines {
    fn add(&mut self, line: &DefaultHasher) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(line.finish());
    }
}
