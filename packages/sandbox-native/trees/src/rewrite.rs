//! Texts replaced by others of the same length in the archive of a tree: how a tree gets another name for itself.

use crate::cancel::Cancel;
use crate::dump::Dumper;
use crate::error::Result;
use crate::hash::{Algorithm, Digest, read_into};
use crate::restore::Restorer;
use crate::source::ChunkSource;

/// How much is looked through at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Texts and what stands for each.
#[derive(Clone, Debug)]
pub struct Rewrites {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Of every text.
    length: usize,
    /// By the last byte of a window, how much further the next one can be that is a text; 0 when this one can.
    shifts: Box<[usize; 256]>,
}

impl Rewrites {
    /// `None` when the texts are not all of one length, or empty.
    pub fn new(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Option<Self> {
        let length = pairs.first().map_or(0, |(from, _)| from.len());
        let fits = |text: &Vec<u8>| !text.is_empty() && text.len() == length;
        if !pairs.iter().all(|(from, to)| fits(from) && fits(to)) {
            return None;
        }
        let mut shifts = Box::new([length; 256]);
        for (from, _) in &pairs {
            for (at, &byte) in from.iter().enumerate() {
                let shift = &mut shifts[usize::from(byte)];
                *shift = (*shift).min(length - 1 - at);
            }
        }
        Some(Self { pairs, length, shifts })
    }

    /// Replaces from left to right; what was put in a place is not looked at again. Tells `found` where, and returns the end of the last.
    fn replace(&self, bytes: &mut [u8], mut found: impl FnMut(usize)) -> usize {
        let (mut at, mut done) = (0, 0);
        if self.pairs.is_empty() {
            return done;
        }
        while let Some(window) = bytes.get_mut(at..at + self.length) {
            let shift = self.shifts[usize::from(window[self.length - 1])];
            if shift > 0 {
                at += shift;
                continue;
            }
            match self.pairs.iter().find(|(from, _)| from == window) {
                Some((_, to)) => {
                    window.copy_from_slice(to);
                    found(at);
                    at += self.length;
                    done = at;
                }
                None => at += 1,
            }
        }
        done
    }
}

/// A source in which texts are replaced, also where they lie across two of its chunks.
struct Rewritten<S> {
    source: S,
    rewrites: Rewrites,
    /// Handed out up to `from`, finished up to `until`, filled up to `filled`.
    buffer: Vec<u8>,
    from: usize,
    until: usize,
    filled: usize,
    is_last: bool,
    /// Where the buffer begins in the source.
    offset: u64,
    /// Where something was replaced.
    found: Vec<u64>,
}

impl<S: ChunkSource> Rewritten<S> {
    fn new(source: S, rewrites: Rewrites) -> Self {
        let buffer = vec![0; CHUNK_BYTES + rewrites.length];
        Self { source, rewrites, buffer, from: 0, until: 0, filled: 0, is_last: false, offset: 0, found: Vec::new() }
    }

    /// All of the buffer that was finished has been handed out.
    fn advance(&mut self) -> Result<()> {
        self.buffer.copy_within(self.until..self.filled, 0);
        self.offset += self.until as u64;
        let kept = self.filled - self.until;
        self.filled = kept + self.source.fill(&mut self.buffer[kept..])?;
        self.is_last = self.filled < self.buffer.len();
        let Self { rewrites, buffer, filled, offset, found, .. } = self;
        let done = rewrites.replace(&mut buffer[..*filled], |at| found.push(*offset + at as u64));
        // A text may begin in the last bytes, fewer than it has itself.
        let open = if self.is_last { 0 } else { rewrites.length.saturating_sub(1) };
        (self.from, self.until) = (0, done.max(self.filled - open));
        Ok(())
    }
}

impl<S: ChunkSource> ChunkSource for Rewritten<S> {
    fn fill(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let mut handed_out = 0;
        while handed_out < chunk.len() {
            if self.from == self.until {
                if self.is_last {
                    break;
                }
                self.advance()?;
            }
            let length = (self.until - self.from).min(chunk.len() - handed_out);
            chunk[handed_out..handed_out + length].copy_from_slice(&self.buffer[self.from..self.from + length]);
            self.from += length;
            handed_out += length;
        }
        Ok(handed_out)
    }
}

/// Makes a copy of a tree in which texts are replaced wherever they stand: in files, names and links.
pub fn rewrite_tree(source: &[u8], target: &[u8], rewrites: Rewrites, cancel: &Cancel) -> Result<Digest> {
    let mut archive = Rewritten::new(Dumper::open(source)?, rewrites);
    let mut restorer = Restorer::open(target, false)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        cancel.check()?;
        let length = archive.fill(&mut chunk)?;
        restorer.write(&chunk[..length])?;
        if length < chunk.len() {
            return restorer.finish();
        }
    }
}

/// SHA-256 of the archive of a tree in which texts are replaced, by zeros for a tree that names itself; the offsets at which they stood
/// are hashed behind the rest.
pub fn hash_tree_modulo(path: &[u8], rewrites: Rewrites, cancel: &Cancel) -> Result<Digest> {
    let mut archive = Rewritten::new(Dumper::open(path)?, rewrites);
    let (mut hasher, size) = read_into(&mut archive, Algorithm::Sha256, |_| cancel.check())?;
    for offset in archive.found {
        hasher.update(format!("|{offset}").as_bytes());
    }
    Ok(Digest { bytes: hasher.finish(), size })
}

#[cfg(test)]
mod tests;
