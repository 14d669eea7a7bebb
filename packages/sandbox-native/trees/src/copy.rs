//! Copies of trees.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::vec;

use crate::cancel::Cancel;
use crate::canonical;
use crate::dump::DEPTH_LIMIT;
use crate::error::{Errno, Result, TreeError};
use crate::list::{Entry, sorted_entries};
use crate::remove::remove_tree;
use crate::root::Root;
use crate::sys::{self, FileType, Stat};

/// Copies a tree to a path where nothing is yet; a copy that fails halfway is removed.
///
/// Links are copied, not followed; hard links become files of their own. Of the modes only the owner's execute bit is kept, of the other
/// metadata nothing. Blocks are shared with the source where the file system can, and holes stay holes. With `keep`, nothing else below the
/// top is looked at.
pub fn copy_tree(source: &[u8], target: &[u8], keep: Option<&Keep>, cancel: &Cancel) -> Result<()> {
    copy_told(source, target, keep, cancel, None)
}

/// What was copied, in the order of an archive.
pub(crate) enum Copied {
    /// A directory; its entries follow. Names are empty at the top.
    Directory { name: CString },
    /// The directory at hand is whole.
    DirectoryEnd,
    /// A file, open for reading, and whether its owner may execute it.
    Regular { name: CString, file: OwnedFd, executable: bool },
    /// A link.
    Symlink { name: CString, target: CString },
}

/// Takes what was copied; false when there is no use in going on.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Copied) -> bool;

/// As `copy_tree`. With `tell`, everything is made canonical and told as soon as it is whole.
pub(crate) fn copy_told<'a>(
    source: &[u8],
    target: &[u8],
    keep: Option<&'a Keep>,
    cancel: &'a Cancel,
    tell: Option<Tell<'a>>,
) -> Result<()> {
    let mut trail = Trail { from: Root::open(source)?, to: Root::open(target)?, frames: Vec::new() };
    let mut copier = Copier { can_clone: true, buffer: Vec::new(), created: false, keep, cancel, tell };
    copier.run(&mut trail).inspect_err(|_| {
        if copier.created {
            // The first failure is the one to report.
            let _ = remove_tree(target, &Cancel::new());
        }
    })
}

/// The entries of a tree that a copy consists of.
#[derive(Debug, Default)]
pub struct Keep(HashSet<Vec<u8>>);

impl Keep {
    /// From the paths of the entries below the top, directories among them, each ended by a zero byte.
    pub fn parse(paths: &[u8]) -> Self {
        let paths = paths.split(|&byte| byte == 0).filter(|path| !path.is_empty());
        Self(paths.map(<[u8]>::to_vec).collect())
    }

    /// Leaves of `entries` those that are kept of the directory at `below`.
    fn select(&self, below: &[u8], entries: &mut Vec<Entry>) {
        let mut path = below.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        let length = path.len();
        entries.retain(|entry| {
            path.truncate(length);
            path.extend_from_slice(entry.name.to_bytes());
            self.0.contains(&path)
        });
    }
}

/// Modes of what is created, narrowed by the umask.
const DIRECTORY_MODE: u32 = 0o755;
const PLAIN_MODE: u32 = 0o644;
const EXECUTABLE_MODE: u32 = 0o755;

const BUFFER_BYTES: usize = 1 << 20;
/// How much one call may copy: the kernel would do 2 GiB, during which nobody could cancel.
const RANGE_BYTES: u64 = 64 << 20;
const BYTES_PER_BLOCK: u64 = 512;

/// Where the copy is: a pair of tops and the pairs of open directories below them.
struct Trail {
    from: Root,
    to: Root,
    frames: Vec<Frame>,
}

struct Frame {
    from: OwnedFd,
    to: OwnedFd,
    entries: vec::IntoIter<Entry>,
    /// The entry that is being copied.
    current: Entry,
}

impl Trail {
    fn source(&self) -> (BorrowedFd<'_>, &CStr) {
        match self.frames.last() {
            Some(frame) => (frame.from.as_fd(), frame.current.name.as_c_str()),
            None => (self.from.parent(), &self.from.name),
        }
    }

    fn file_type(&self) -> std::result::Result<FileType, Errno> {
        match self.frames.last() {
            Some(frame) => frame.current.file_type(frame.from.as_fd()),
            None => self.from.file_type(),
        }
    }

    fn target(&self) -> (BorrowedFd<'_>, &CStr) {
        match self.frames.last() {
            Some(frame) => (frame.to.as_fd(), frame.current.name.as_c_str()),
            None => (self.to.parent(), &self.to.name),
        }
    }

    /// Of the entry at hand, empty for the top.
    fn name(&self) -> CString {
        self.frames.last().map(|frame| frame.current.name.clone()).unwrap_or_default()
    }

    fn path_below(&self, top: &Root) -> Vec<u8> {
        let mut path = top.path.clone();
        for frame in &self.frames {
            path.push(b'/');
            path.extend_from_slice(frame.current.name.to_bytes());
        }
        path
    }

    /// Of the entry at hand, empty for the top.
    fn path_below_top(&self) -> Vec<u8> {
        let names: Vec<&[u8]> = self.frames.iter().map(|f| f.current.name.to_bytes()).collect();
        names.join(&b'/')
    }

    fn source_path(&self) -> Vec<u8> {
        self.path_below(&self.from)
    }

    fn read_error(&self, step: &'static str) -> impl Fn(Errno) -> TreeError + '_ {
        move |errno| TreeError::io(step, &self.path_below(&self.from), errno)
    }

    fn write_error(&self, step: &'static str) -> impl Fn(Errno) -> TreeError + '_ {
        move |errno| TreeError::io(step, &self.path_below(&self.to), errno)
    }
}

struct Copier<'a> {
    /// Until the file system has refused once.
    can_clone: bool,
    /// For copying through us; allocated when first needed.
    buffer: Vec<u8>,
    /// Whether something of ours is at the target.
    created: bool,
    keep: Option<&'a Keep>,
    cancel: &'a Cancel,
    tell: Option<Tell<'a>>,
}

impl Copier<'_> {
    fn run(&mut self, trail: &mut Trail) -> Result<()> {
        let top = self.copy_entry(trail)?;
        trail.frames.extend(top);
        while let Some(frame) = trail.frames.last_mut() {
            match frame.entries.next() {
                Some(entry) => {
                    frame.current = entry;
                    let below = self.copy_entry(trail)?;
                    trail.frames.extend(below);
                }
                None => self.leave(trail)?,
            }
        }
        Ok(())
    }

    /// Leaves the directory at hand: nothing is added to its copy any more.
    fn leave(&mut self, trail: &mut Trail) -> Result<()> {
        let Some(frame) = trail.frames.pop() else { return Ok(()) };
        if self.tell.is_some() {
            canonical::finish(frame.to.as_fd(), DIRECTORY_MODE).map_err(trail.write_error("set the time of"))?;
        }
        self.told(|| Copied::DirectoryEnd)
    }

    fn told(&mut self, what: impl FnOnce() -> Copied) -> Result<()> {
        let goes_on = self.tell.as_mut().is_none_or(|tell| tell(what()));
        if goes_on { Ok(()) } else { Err(TreeError::cancelled()) }
    }

    /// Copies the entry at hand; of a directory, makes the copy and returns the pair.
    fn copy_entry(&mut self, trail: &Trail) -> Result<Option<Frame>> {
        self.cancel.check()?;
        if trail.frames.len() >= DEPTH_LIMIT {
            return Err(TreeError::depth(&trail.source_path(), DEPTH_LIMIT));
        }
        match trail.file_type().map_err(trail.read_error("stat"))? {
            FileType::Regular => self.copy_regular(trail).map(|()| None),
            FileType::Symlink => self.copy_link(trail).map(|()| None),
            FileType::Directory => self.copy_directory(trail).map(Some),
            FileType::Other => Err(TreeError::unsupported_type(&trail.source_path())),
        }
    }

    fn copy_directory(&mut self, trail: &Trail) -> Result<Frame> {
        let (directory, name) = trail.source();
        let from = sys::open_directory(directory, name).map_err(trail.read_error("open"))?;
        let mut entries = sorted_entries(from.as_fd()).map_err(trail.read_error("list"))?;
        if let Some(keep) = self.keep {
            keep.select(&trail.path_below_top(), &mut entries);
        }
        let (directory, name) = trail.target();
        sys::make_directory(directory, name, DIRECTORY_MODE).map_err(trail.write_error("create"))?;
        self.created = true;
        let to = sys::open_directory(directory, name).map_err(trail.write_error("open"))?;
        if self.tell.is_some() {
            // What is made in it inherits only what it has itself.
            canonical::strip(to.as_fd()).map_err(trail.write_error("remove extended attributes of"))?;
        }
        self.told(|| Copied::Directory { name: trail.name() })?;
        Ok(Frame { from, to, entries: entries.into_iter(), current: Entry::default() })
    }

    fn copy_link(&mut self, trail: &Trail) -> Result<()> {
        let (directory, name) = trail.source();
        let target = sys::read_link(directory, name).map_err(trail.read_error("read link"))?;
        let target = CString::new(target).map_err(|_| trail.read_error("read link")(Errno(libc::EINVAL)))?;
        let (directory, name) = trail.target();
        sys::make_link(&target, directory, name).map_err(trail.write_error("create"))?;
        self.created = true;
        if self.tell.is_some() {
            let handle = sys::open_handle(directory, name).map_err(trail.write_error("open"))?;
            canonical::finish_link(handle.as_fd()).map_err(trail.write_error("set the time of"))?;
        }
        self.told(|| Copied::Symlink { name: trail.name(), target })
    }

    fn copy_regular(&mut self, trail: &Trail) -> Result<()> {
        let (directory, name) = trail.source();
        let from = sys::open_regular(directory, name).map_err(trail.read_error("open"))?;
        let stat = sys::stat(from.as_fd()).map_err(trail.read_error("stat"))?;
        if stat.file_type() != FileType::Regular {
            return Err(TreeError::changed(&trail.source_path()));
        }
        let mode = if stat.is_owner_executable() { EXECUTABLE_MODE } else { PLAIN_MODE };
        let (directory, name) = trail.target();
        let to = sys::create_regular(directory, name, mode).map_err(trail.write_error("create"))?;
        self.created = true;
        self.copy_contents(from.as_fd(), to.as_fd(), &stat).map_err(|stop| match stop {
            Stop::Reading(errno) => trail.read_error("read")(errno),
            Stop::Writing(errno) => trail.write_error("copy to")(errno),
            Stop::Cancelled(error) => error,
        })?;
        if self.tell.is_none() {
            return Ok(());
        }
        if trail.frames.is_empty() {
            canonical::strip(to.as_fd()).map_err(trail.write_error("remove extended attributes of"))?;
        }
        canonical::finish(to.as_fd(), mode).map_err(trail.write_error("set the time of"))?;
        let executable = mode == EXECUTABLE_MODE;
        self.told(|| Copied::Regular { name: trail.name(), file: to, executable })
    }

    /// Copies as many bytes as the file had when it was opened, so that one that keeps growing ends as well.
    fn copy_contents(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &Stat) -> Done {
        if stat.size == 0 {
            return Ok(());
        }
        if self.can_clone {
            if sys::clone_contents(from, to).is_ok() {
                return Ok(());
            }
            // Whatever the reason, the other ways will tell the real ones.
            self.can_clone = false;
        }
        if stat.blocks.saturating_mul(BYTES_PER_BLOCK) < stat.size {
            self.copy_sparse(from, to, stat.size)
        } else {
            self.copy_bytes(from, to, stat.size)
        }
    }

    fn copy_sparse(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, size: u64) -> Done {
        let mut position = 0;
        while position < size {
            self.cancel.check().map_err(Stop::Cancelled)?;
            let data = match sys::seek(from, position, libc::SEEK_DATA) {
                Ok(data) => data.min(size),
                // Nothing but a hole up to the end.
                Err(Errno(libc::ENXIO)) => break,
                Err(errno) => return Err(Stop::Reading(errno)),
            };
            let hole = sys::seek(from, data, libc::SEEK_HOLE).map_err(Stop::Reading)?.min(size);
            sys::seek(from, data, libc::SEEK_SET).map_err(Stop::Reading)?;
            sys::seek(to, data, libc::SEEK_SET).map_err(Stop::Writing)?;
            self.copy_bytes(from, to, hole - data)?;
            position = hole;
        }
        sys::set_length(to, size).map_err(Stop::Writing)
    }

    /// Copies `length` bytes from and to the current positions, fewer if the source ends.
    fn copy_bytes(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, length: u64) -> Done {
        let mut left = length;
        while left > 0 {
            self.cancel.check().map_err(Stop::Cancelled)?;
            match sys::copy_range(from, to, left.min(RANGE_BYTES) as usize) {
                // Some file systems say "end" for a file that they make up when it is read.
                Ok(0) => return self.copy_through_us(from, to, left),
                Ok(copied) => left -= copied as u64,
                Err(errno) if errno.is_any(&[libc::ENOSPC, libc::EDQUOT, libc::EFBIG]) => {
                    return Err(Stop::Writing(errno));
                }
                // Across file systems, an older kernel, a filter that does not know the call; or one of the two disks fails, of which
                // reading and writing will say which.
                Err(_) => return self.copy_through_us(from, to, left),
            }
        }
        Ok(())
    }

    fn copy_through_us(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, length: u64) -> Done {
        self.buffer.resize(BUFFER_BYTES, 0);
        let mut left = length;
        while left > 0 {
            self.cancel.check().map_err(Stop::Cancelled)?;
            let wanted = left.min(BUFFER_BYTES as u64) as usize;
            let read = sys::read(from, &mut self.buffer[..wanted]).map_err(Stop::Reading)?;
            if read == 0 {
                break;
            }
            write_all(to, &self.buffer[..read]).map_err(Stop::Writing)?;
            left -= read as u64;
        }
        Ok(())
    }
}

/// Why the contents of a file were not copied to their end.
#[derive(Debug)]
enum Stop {
    /// The source could not be read.
    Reading(Errno),
    /// The copy could not be written.
    Writing(Errno),
    Cancelled(TreeError),
}

type Done = std::result::Result<(), Stop>;

/// Writes all of `bytes`.
pub(crate) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> std::result::Result<(), Errno> {
    while !bytes.is_empty() {
        let written = sys::write(to, bytes)?;
        bytes = &bytes[written..];
    }
    Ok(())
}

#[cfg(test)]
mod tests;
