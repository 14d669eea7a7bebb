//! Files from bytes on their way.

use std::os::fd::{AsFd, OwnedFd};

use crate::cancel::Cancel;
use crate::codec::{Codec, Coding};
use crate::copy::write_all;
use crate::error::{Result, TreeError};
use crate::pipe::Pipe;
use crate::root::Root;
use crate::source::FileSource;
use crate::sys::{self, FileType};

const TARGET_MODE: u32 = 0o644;

/// Writes what `coding` makes of a regular file into another, which is replaced when it exists and removed again on failure.
pub fn code_file(coding: Coding, source: &[u8], target: &[u8], cancel: &Cancel) -> Result<()> {
    // Before there is a target: what cannot be read changes nothing.
    let from = FileSource::open(source)?;
    let root = Root::open(target)?;
    let to = create_target(&root)?;
    let coding = fitted(coding, from.left());
    let mut pipe = Pipe::open(source, cancel.clone(), move || Ok(Box::new(from)));
    pipe.push(coding);
    let written = pour(&mut pipe, &to, target);
    if written.is_err() {
        // The first failure is the one to report.
        let _ = sys::unlink(root.parent(), &root.name);
    }
    written
}

fn pour(pipe: &mut Pipe, to: &OwnedFd, target: &[u8]) -> Result<()> {
    let write = |bytes: &[u8]| write_all(to.as_fd(), bytes).map_err(|errno| TreeError::io("write", target, errno));
    pipe.drain(write).map(drop)
}

/// Opens without truncating what is no regular file of ours.
fn create_target(root: &Root) -> Result<OwnedFd> {
    let io = |step| move |errno| TreeError::io(step, &root.path, errno);
    let to = sys::create_or_truncate(root.parent(), &root.name, TARGET_MODE).map_err(io("create"))?;
    let stat = sys::stat(to.as_fd()).map_err(io("stat"))?;
    if stat.file_type() == FileType::Regular { Ok(to) } else { Err(TreeError::not_regular(&root.path)) }
}

/// With the smallest block that holds the whole file, as bzip2 never looks beyond one: a larger one only costs memory and the time to
/// clear it.
fn fitted(coding: Coding, size: u64) -> Coding {
    const BLOCK_BYTES: u64 = 100_000;
    match coding {
        Coding::Compress { codec: Codec::Bzip2, level } => {
            let blocks = i32::try_from(size.div_ceil(BLOCK_BYTES).max(1)).unwrap_or(level);
            Coding::Compress { codec: Codec::Bzip2, level: level.min(blocks) }
        }
        coding => coding,
    }
}

#[cfg(test)]
mod tests;
