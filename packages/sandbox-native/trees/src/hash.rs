//! Hashes of trees and files, and the search for references in the same pass.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use sha2::Digest as _;

use crate::cancel::Cancel;
use crate::dump::Dumper;
use crate::error::Result;
use crate::scan::{HashPart, Scanner};
use crate::source::{ChunkSource, FileSource};

/// A hash algorithm of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5, for old fixed outputs.
    Md5,
    /// SHA-1, for old fixed outputs.
    Sha1,
    /// SHA-256, the one that the store itself uses.
    Sha256,
    /// SHA-512.
    Sha512,
    /// BLAKE3, which newer versions of Nix know.
    Blake3,
}

impl Algorithm {
    /// By the name used in derivations.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "md5" => Some(Self::Md5),
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            "blake3" => Some(Self::Blake3),
            _ => None,
        }
    }
}

/// A hash and how many bytes went into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The hash.
    pub bytes: Vec<u8>,
    /// The length of what was hashed.
    pub size: u64,
}

/// A hash of a tree and the hash parts that occur in its archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// SHA-256 of the archive.
    pub digest: Digest,
    /// In byte order.
    pub found: Vec<HashPart>,
}

/// Hash of the archive of a tree.
pub fn hash_tree(path: &[u8], algorithm: Algorithm, cancel: &Cancel) -> Result<Digest> {
    digest(&mut Dumper::open(path)?, algorithm, |_| cancel.check())
}

/// Hash of the bytes of a regular file.
pub fn hash_file(path: &[u8], algorithm: Algorithm, cancel: &Cancel) -> Result<Digest> {
    digest(&mut FileSource::open(path)?, algorithm, |_| cancel.check())
}

/// SHA-256 of the archive of a tree and which of `parts` occur in it.
pub fn scan_tree(path: &[u8], parts: impl IntoIterator<Item = HashPart>, cancel: &Cancel) -> Result<Scan> {
    let mut scanner = Scanner::new(parts);
    let digest = digest(&mut Dumper::open(path)?, Algorithm::Sha256, |chunk| {
        scanner.update(chunk);
        cancel.check()
    })?;
    Ok(Scan { digest, found: scanner.finish() })
}

/// Large enough that handing a chunk over costs nothing beside hashing it, small enough that it is still in a cache by then.
const CHUNK_BYTES: usize = 256 * 1024;

/// Chunks that wait between the two threads.
const CHUNKS_BETWEEN: usize = 4;

/// What is hashed: a chunk and how much of it counts.
type Filled = (Vec<u8>, usize);

fn digest(source: &mut dyn ChunkSource, algorithm: Algorithm, look: impl FnMut(&[u8]) -> Result<()>) -> Result<Digest> {
    let (hasher, size) = read_into(source, algorithm, look)?;
    Ok(Digest { bytes: hasher.finish(), size })
}

/// Reads `source` to its end; returns the hash, to which more may be added, and how much went into it. The first chunk decides: a small
/// tree is hashed here, a large one by a second thread while this one reads on and lets `look` see each chunk, or end the whole.
pub(crate) fn read_into(
    source: &mut dyn ChunkSource,
    algorithm: Algorithm,
    mut look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<(Hasher, u64)> {
    let mut hasher = Hasher::new(algorithm);
    let mut chunk = vec![0; CHUNK_BYTES];
    let length = source.fill(&mut chunk)?;
    look(&chunk[..length])?;
    if length < chunk.len() {
        hasher.update(&chunk[..length]);
        return Ok((hasher, length as u64));
    }
    thread::scope(|scope| {
        let (filled, to_hash) = sync_channel::<Filled>(CHUNKS_BETWEEN);
        let (emptied, to_fill) = channel::<Vec<u8>>();
        for _ in 0..=CHUNKS_BETWEEN {
            // Cannot fail: the receiver lives to the end of this function.
            let _ = emptied.send(vec![0; CHUNK_BYTES]);
        }
        let hashing = scope.spawn(move || {
            for (chunk, length) in to_hash {
                hasher.update(&chunk[..length]);
                // Nobody waits for it any more when reading has ended.
                let _ = emptied.send(chunk);
            }
            hasher
        });
        let size = read_on(source, (chunk, length), &filled, &to_fill, &mut look)?;
        drop(filled);
        let hasher = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((hasher, size))
    })
}

/// Passes `first` and the rest of `source` to the hashing thread; returns the size of all.
fn read_on(
    source: &mut dyn ChunkSource,
    first: Filled,
    filled: &SyncSender<Filled>,
    to_fill: &Receiver<Vec<u8>>,
    look: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let (mut chunk, mut length) = first;
    let mut size = 0;
    loop {
        let is_last = length < chunk.len();
        size += length as u64;
        // Both ends fail only when the hashing thread panicked, which `join` reports.
        if filled.send((chunk, length)).is_err() || is_last {
            return Ok(size);
        }
        let Ok(next) = to_fill.recv() else {
            return Ok(size);
        };
        chunk = next;
        length = source.fill(&mut chunk)?;
        look(&chunk[..length])?;
    }
}

/// A hash on its way, of whatever algorithm.
pub(crate) enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(md5::Md5::new()),
            Algorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => Self::Blake3(Box::default()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(state) => state.update(bytes),
            Self::Sha1(state) => state.update(bytes),
            Self::Sha256(state) => state.update(bytes),
            Self::Sha512(state) => state.update(bytes),
            Self::Blake3(state) => {
                state.update(bytes);
            }
        }
    }

    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(state) => state.finalize().to_vec(),
            Self::Sha1(state) => state.finalize().to_vec(),
            Self::Sha256(state) => state.finalize().to_vec(),
            Self::Sha512(state) => state.finalize().to_vec(),
            Self::Blake3(state) => state.finalize().as_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
