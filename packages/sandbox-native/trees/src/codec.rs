//! Formats of compressed data.

use std::ops::RangeInclusive;

pub(crate) mod decode;
pub(crate) mod encode;

use crate::error::TreeError;
use decode::Decoder;
use encode::Encoder;

/// A format of compressed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// The `.xz` file format.
    Xz,
    /// RFC 8878.
    Zstd,
    /// That of the program of the same name.
    Bzip2,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// The LZ4 frame format.
    Lz4,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Xz, Self::Zstd, Self::Bzip2, Self::Gzip, Self::Brotli, Self::Lz4];

    /// The name by which people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Gzip => "gzip",
            Self::Brotli => "brotli",
            Self::Lz4 => "lz4",
        }
    }

    /// By the name that a narinfo has for it.
    pub fn from_compression(name: &str) -> Option<Self> {
        match name {
            "br" => Some(Self::Brotli),
            _ => Self::ALL.into_iter().find(|codec| *codec != Self::Brotli && codec.name() == name),
        }
    }

    /// The levels of effort that it has.
    pub fn levels(self) -> RangeInclusive<i32> {
        match self {
            Self::Xz => 0..=9,
            Self::Zstd => 1..=22,
            Self::Bzip2 => 1..=9,
            Self::Gzip => 0..=9,
            Self::Brotli => 0..=11,
            Self::Lz4 => 0..=12,
        }
    }

    /// The level at which programs start; for brotli, which starts at its highest, one that is usable for archives.
    pub fn default_level(self) -> i32 {
        match self {
            Self::Xz | Self::Gzip | Self::Brotli => 6,
            Self::Zstd => 3,
            Self::Bzip2 => 9,
            Self::Lz4 => 0,
        }
    }

    /// Whether the format is one stream or several, one behind the other.
    fn repeats(self) -> bool {
        self != Self::Brotli
    }
}

/// How far decompression goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that come out.
    pub size: u64,
    /// What the data may demand to be kept of what came out: window or dictionary. The other formats never demand more than 16 MiB.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size: u64::MAX, memory: 128 << 20 }
    }
}

/// What is done to bytes on their way.
#[derive(Clone, Copy, Debug)]
pub enum Coding {
    /// Makes compressed data of them.
    Compress {
        /// The format.
        codec: Codec,
        /// One of `Codec::levels`.
        level: i32,
    },
    /// Makes what they were compressed from.
    Decompress {
        /// The format.
        codec: Codec,
        /// How far.
        limits: Limits,
    },
}

impl Coding {
    pub(crate) fn start(self) -> Box<dyn Coder> {
        match self {
            Self::Compress { codec, level } => Box::new(Encoder::new(codec, level)),
            Self::Decompress { codec, limits } => Box::new(Decoder::new(codec, limits)),
        }
    }

    /// The error for what a coder could not do to the bytes of `path`, which is empty when they were given.
    pub(crate) fn error(self, broken: Broken, path: &[u8]) -> TreeError {
        match self {
            Self::Compress { codec, .. } => TreeError::data(codec, "cannot be made".to_owned(), path),
            Self::Decompress { codec, limits } => match broken {
                Broken::Early(at) => TreeError::data(codec, format!("ends early, at byte {at}"), path),
                Broken::Damaged(at) => TreeError::data(codec, format!("is damaged before byte {at}"), path),
                Broken::Followed(at) => {
                    TreeError::data(codec, format!("is followed by something else at byte {at}"), path)
                }
                Broken::Size => TreeError::coded_size(codec, limits.size, path),
                Broken::Memory => TreeError::coded_memory(codec, limits.memory, path),
            },
        }
    }
}

/// One direction of one format: takes bytes and gives bytes as far as there is room, and does nothing between two steps.
pub(crate) trait Coder: Send {
    /// Works on `input`, behind which nothing follows if it `is_last`, and fills `output` from its start.
    fn step(&mut self, input: &[u8], is_last: bool, output: &mut [u8]) -> Result<Step, Broken>;
}

/// How far a step went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Of the input.
    pub taken: usize,
    /// Of the output.
    pub made: usize,
    /// Nothing more will come.
    pub ended: bool,
}

/// Why data cannot be decompressed; with how many bytes of it had been taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Early(u64),
    Damaged(u64),
    Followed(u64),
    Size,
    Memory,
}

#[cfg(test)]
mod tests;
