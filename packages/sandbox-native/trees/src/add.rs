//! Copies that are to be store objects: canonical, and hashed while they are made.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::cancel::Cancel;
use crate::copy::{Copied, Keep, copy_told};
use crate::dump::{padding, push_string, push_strings};
use crate::error::{Result, TreeError};
use crate::hash::{Algorithm, Digest, Hasher};
use crate::source::FileBytes;
use crate::sys;

/// Entries that were copied and not hashed yet; each of them may be an open file.
const ENTRIES_BETWEEN: usize = 64;

const CHUNK_BYTES: usize = 256 * 1024;

/// As `copy_tree`, with canonical modes and times and without extended attributes. Returns the SHA-256 of the archive of the copy.
///
/// A second thread reads back what this one has copied: what is hashed is the copy, whatever happens to the source meanwhile. Nobody
/// else may write to where the copy is made.
pub fn copy_canonical(source: &[u8], target: &[u8], keep: Option<&Keep>, cancel: &Cancel) -> Result<Digest> {
    thread::scope(|scope| {
        let (copied, to_hash) = sync_channel(ENTRIES_BETWEEN);
        let hashing = scope.spawn(move || hash(&to_hash, target, cancel));
        let result = copy_told(source, target, keep, cancel, Some(&mut |entry| copied.send(entry).is_ok()));
        drop(copied);
        // Where both failed, hashing did first: the copy ended because nobody took its entries.
        let digest = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (result, digest) {
            (Err(_), Err(error)) | (Err(error), Ok(_)) => Err(error),
            (Ok(()), Ok(digest)) => Ok(digest),
            (Ok(()), Err(error)) => {
                // The first failure is the one to report.
                let _ = crate::remove_tree(target, &Cancel::new());
                Err(error)
            }
        }
    })
}

fn hash(entries: &Receiver<Copied>, target: &[u8], cancel: &Cancel) -> Result<Digest> {
    let mut archive = Archive {
        hasher: Hasher::new(Algorithm::Sha256),
        size: 0,
        chunk: Vec::with_capacity(CHUNK_BYTES),
        depth: 0,
        target,
        cancel,
    };
    push_string(&mut archive.chunk, b"nix-archive-1");
    for entry in entries {
        archive.append(entry)?;
    }
    archive.flush();
    Ok(Digest { bytes: archive.hasher.finish(), size: archive.size })
}

/// An archive on its way into a hash.
struct Archive<'a> {
    hasher: Hasher,
    size: u64,
    /// What was not hashed yet.
    chunk: Vec<u8>,
    /// Directories that are open.
    depth: usize,
    /// For messages.
    target: &'a [u8],
    cancel: &'a Cancel,
}

impl Archive<'_> {
    fn append(&mut self, entry: Copied) -> Result<()> {
        match entry {
            Copied::Directory { name } => {
                self.begin(&name, b"directory");
                self.depth += 1;
            }
            Copied::DirectoryEnd => {
                self.depth -= 1;
                self.end();
            }
            Copied::Symlink { name, target } => {
                self.begin(&name, b"symlink");
                push_strings(&mut self.chunk, &[b"target", target.to_bytes()]);
                self.end();
            }
            Copied::Regular { name, file, executable } => {
                self.begin(&name, b"regular");
                if executable {
                    push_strings(&mut self.chunk, &[b"executable", b""]);
                }
                push_string(&mut self.chunk, b"contents");
                self.append_contents(file)?;
                self.end();
            }
        }
        Ok(())
    }

    fn begin(&mut self, name: &CStr, of_type: &[u8]) {
        if self.depth > 0 {
            push_strings(&mut self.chunk, &[b"entry", b"(", b"name", name.to_bytes(), b"node"]);
        }
        push_strings(&mut self.chunk, &[b"(", b"type", of_type]);
    }

    fn end(&mut self) {
        push_string(&mut self.chunk, b")");
        if self.depth > 0 {
            push_string(&mut self.chunk, b")");
        }
        if self.chunk.len() >= CHUNK_BYTES / 2 {
            self.flush();
        }
    }

    fn append_contents(&mut self, file: OwnedFd) -> Result<()> {
        let target = self.target;
        let io = |step| move |errno| TreeError::io(step, target, errno);
        let size = sys::stat(file.as_fd()).map_err(io("stat"))?.size;
        sys::seek(file.as_fd(), 0, libc::SEEK_SET).map_err(io("read"))?;
        self.chunk.extend_from_slice(&size.to_le_bytes());
        let mut contents = FileBytes::new(file, size);
        let mut left = size;
        while left > 0 {
            self.cancel.check()?;
            let begin = self.chunk.len();
            let wanted = left.min((CHUNK_BYTES - begin.min(CHUNK_BYTES)) as u64) as usize;
            self.chunk.resize(begin + wanted, 0);
            contents.fill(&mut self.chunk[begin..], || target.to_vec())?;
            left -= wanted as u64;
            if self.chunk.len() >= CHUNK_BYTES {
                self.flush();
            }
        }
        self.chunk.resize(self.chunk.len() + padding(size), 0);
        Ok(())
    }

    fn flush(&mut self) {
        self.hasher.update(&self.chunk);
        self.size += self.chunk.len() as u64;
        self.chunk.clear();
    }
}

#[cfg(test)]
mod tests;
