//! Compression of logs and archives.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use bzip2::Compression;
use bzip2::bufread::MultiBzDecoder;
use bzip2::write::BzEncoder;

use crate::copy::write_all;
use crate::error::{Errno, Result, TreeError};
use crate::root::Root;
use crate::source::open_regular_file;
use crate::sys::{self, FileType};

const BUFFER_BYTES: usize = 128 * 1024;
const TARGET_MODE: u32 = 0o644;

/// A format of compressed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// That of the program of the same name.
    Bzip2,
    /// RFC 8878.
    Zstd,
}

impl Codec {
    /// The name by which people know it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Bzip2 => "bzip2",
            Codec::Zstd => "zstd",
        }
    }
}

/// Compresses a regular file into another, which is replaced when it exists and removed again when compression fails.
pub fn compress_file(codec: Codec, source: &[u8], target: &[u8]) -> Result<()> {
    let (file, size) = open_regular_file(source)?;
    let root = Root::open(target)?;
    let to = create_target(&root)?;
    let compressed = compress(codec, &Input { file, size, path: source }, to, target);
    if compressed.is_err() {
        // The first failure is the one to report.
        let _ = sys::unlink(root.parent(), &root.name);
    }
    compressed
}

/// Opens without truncating what is no regular file of ours.
fn create_target(root: &Root) -> Result<OwnedFd> {
    let io = |step| move |errno| TreeError::io(step, &root.path, errno);
    let to = sys::create_or_truncate(root.parent(), &root.name, TARGET_MODE).map_err(io("create"))?;
    let stat = sys::stat(to.as_fd()).map_err(io("stat"))?;
    if stat.file_type() == FileType::Regular { Ok(to) } else { Err(TreeError::not_regular(&root.path)) }
}

/// The smallest block that holds the whole file, as bzip2 never looks beyond one: a larger one only costs memory and
/// the time to clear it.
fn level_for(size: u64) -> Compression {
    const BLOCK_BYTES: u64 = 100_000;
    let blocks = size.div_ceil(BLOCK_BYTES).clamp(1, 9);
    Compression::new(u32::try_from(blocks).unwrap_or(9))
}

/// What is compressed.
struct Input<'a> {
    file: OwnedFd,
    size: u64,
    path: &'a [u8],
}

fn compress(codec: Codec, input: &Input<'_>, to: OwnedFd, target: &[u8]) -> Result<()> {
    let failed = |error: io::Error| TreeError::io("write", target, errno_of(&error));
    let to = Descriptor(to);
    match codec {
        Codec::Bzip2 => {
            let mut encoder = BzEncoder::new(to, level_for(input.size));
            input.pour_into(&mut encoder, failed)?;
            encoder.finish().map_err(failed)?;
        }
        Codec::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(failed)?;
            // Without it most damage would decompress to something else.
            encoder.include_checksum(true).map_err(failed)?;
            input.pour_into(&mut encoder, failed)?;
            encoder.finish().map_err(failed)?;
        }
    }
    Ok(())
}

impl Input<'_> {
    fn pour_into(&self, encoder: &mut impl Write, failed: impl Fn(io::Error) -> TreeError) -> Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let length =
                sys::read(self.file.as_fd(), &mut buffer).map_err(|errno| TreeError::io("read", self.path, errno))?;
            if length == 0 {
                return Ok(());
            }
            encoder.write_all(&buffer[..length]).map_err(&failed)?;
        }
    }
}

/// What a compressed file holds, produced as far as somebody asks for it.
pub struct Decompressed {
    path: Vec<u8>,
    codec: Codec,
    decoder: Box<dyn Read + Send>,
}

impl Decompressed {
    /// Opens a regular file, never through a link in its last component.
    pub fn open(codec: Codec, path: &[u8]) -> Result<Self> {
        let (file, _) = open_regular_file(path)?;
        let reader = io::BufReader::with_capacity(BUFFER_BYTES, Descriptor(file));
        // Both read what comes after the first stream or frame, too.
        let decoder: Box<dyn Read + Send> = match codec {
            Codec::Bzip2 => Box::new(MultiBzDecoder::new(reader)),
            Codec::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(reader);
                Box::new(decoder.map_err(|error| TreeError::io("read", path, errno_of(&error)))?)
            }
        };
        Ok(Self { path: path.to_vec(), codec, decoder })
    }
}

impl crate::source::ChunkSource for Decompressed {
    fn fill(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < chunk.len() {
            match self.decoder.read(&mut chunk[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                // An error of the file has a number, one of the data has none.
                Err(error) => {
                    return Err(match error.raw_os_error() {
                        Some(number) => TreeError::io("read", &self.path, Errno(number)),
                        None => TreeError::data(self.codec, &self.path),
                    });
                }
            }
        }
        Ok(filled)
    }
}

/// A descriptor as the standard library's traits want it.
struct Descriptor(OwnedFd);

impl io::Read for Descriptor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::read(self.0.as_fd(), buffer).map_err(|errno| io::Error::from_raw_os_error(errno.0))
    }
}

impl io::Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_all(self.0.as_fd(), bytes).map_err(|errno| io::Error::from_raw_os_error(errno.0))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests;
