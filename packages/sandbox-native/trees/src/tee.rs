//! The archive of a tree, hashed and searched on its way to somebody else.

use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::dump::Dumper;
use crate::error::Result;
use crate::hash::{Digest, Scan};
use crate::scan::{HashPart, Scanner};
use crate::source::ChunkSource;

/// What passed, known when all of it has.
#[derive(Clone, Debug, Default)]
pub struct Passed(Arc<Mutex<Option<Scan>>>);

impl Passed {
    /// The hash of the archive and the hash parts in it; `None` until its last byte was taken.
    pub fn scan(&self) -> Option<Scan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A dump that is hashed and searched in the same pass.
pub struct ScannedDump {
    dumper: Dumper,
    /// Taken at the end.
    pass: Option<(Sha256, Scanner)>,
    size: u64,
    passed: Passed,
}

impl ScannedDump {
    /// As `Dumper::open`; `passed` will tell what of `parts` was found.
    pub fn open(path: &[u8], parts: impl IntoIterator<Item = HashPart>, passed: Passed) -> Result<Self> {
        Ok(Self { dumper: Dumper::open(path)?, pass: Some((Sha256::new(), Scanner::new(parts))), size: 0, passed })
    }
}

impl ChunkSource for ScannedDump {
    fn fill(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let length = self.dumper.fill(chunk)?;
        if let Some((hasher, scanner)) = &mut self.pass {
            hasher.update(&chunk[..length]);
            scanner.update(&chunk[..length]);
            self.size += length as u64;
        }
        if length < chunk.len()
            && let Some((hasher, scanner)) = self.pass.take()
        {
            let digest = Digest { bytes: hasher.finalize().to_vec(), size: self.size };
            let scan = Scan { digest, found: scanner.finish() };
            *self.passed.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(scan);
        }
        Ok(length)
    }
}
