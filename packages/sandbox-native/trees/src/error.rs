//! What can go wrong with a tree, as fields.

use std::fmt;
use std::io;

use crate::codec::Codec;

/// The number of a system error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// Whether this is one of `numbers`.
    pub(crate) fn is_any(self, numbers: &[i32]) -> bool {
        numbers.contains(&self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = io::Error::from_raw_os_error(self.0).to_string();
        let plain = text.rsplit_once(" (os error").map_or(text.as_str(), |(plain, _)| plain);
        f.write_str(plain)
    }
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file of a type that the operation does not take.
    Type,
    /// A file whose owner is not the builder.
    Ownership,
    /// A tree that is nested too deeply.
    Depth,
    /// The target of a copy or move is taken.
    Exists,
    /// A system call failed.
    Io,
    /// The file system is full.
    NoSpace,
    /// Compressed bytes that do not decompress.
    Data(Codec),
    /// Compressed bytes that decompress to more than somebody wants.
    CodedSize,
    /// Compressed bytes that demand more memory than they may have.
    CodedMemory,
    /// Bytes that are no archive.
    Archive,
    /// A file that somebody changed meanwhile.
    Changed,
    /// The caller no longer wants it.
    Cancelled,
}

/// Why an operation on a tree failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeError {
    /// What kind of failure it is.
    pub kind: Kind,
    /// One line for a person: lower case, the value quoted, no full stop.
    pub message: String,
    /// The file concerned.
    pub path: Vec<u8>,
    /// What was being done to it, one word; only for failed system calls.
    pub step: Option<&'static str>,
    /// The number of the system error; only for failed system calls.
    pub errno: Option<i32>,
}

/// The result of an operation on a tree.
pub type Result<T> = std::result::Result<T, TreeError>;

impl TreeError {
    /// The stable code by which callers recognise the error.
    pub fn code(&self) -> &'static str {
        match self.kind {
            Kind::Type => "ERR_TREE_TYPE",
            Kind::Ownership => "ERR_TREE_OWNERSHIP",
            Kind::Depth => "ERR_TREE_DEPTH",
            Kind::Exists => "ERR_TREE_EXISTS",
            Kind::Io => "ERR_TREE_IO",
            Kind::NoSpace => "ERR_NO_SPACE",
            Kind::Data(Codec::Xz) => "ERR_XZ_DATA",
            Kind::Data(Codec::Zstd) => "ERR_ZSTD_DATA",
            Kind::Data(Codec::Bzip2) => "ERR_BZIP2_DATA",
            Kind::Data(Codec::Gzip) => "ERR_GZIP_DATA",
            Kind::Data(Codec::Brotli) => "ERR_BROTLI_DATA",
            Kind::Data(Codec::Lz4) => "ERR_LZ4_DATA",
            Kind::CodedSize => "ERR_CODEC_SIZE",
            Kind::CodedMemory => "ERR_CODEC_MEMORY",
            Kind::Archive => "ERR_TREE_ARCHIVE",
            Kind::Changed => "ERR_TREE_CHANGED",
            Kind::Cancelled => "ERR_CANCELLED",
        }
    }

    /// `step` failed on `path`.
    pub(crate) fn io(step: &'static str, path: &[u8], errno: Errno) -> Self {
        let kind = match errno.0 {
            libc::ENOSPC | libc::EDQUOT => Kind::NoSpace,
            libc::EEXIST => Kind::Exists,
            _ => Kind::Io,
        };
        Self {
            kind,
            message: format!("cannot {step} '{}': {errno}", show(path)),
            path: path.to_vec(),
            step: Some(step),
            errno: Some(errno.0),
        }
    }

    fn without_errno(kind: Kind, message: String, path: &[u8]) -> Self {
        Self { kind, message, path: path.to_vec(), step: None, errno: None }
    }

    /// Neither file, directory nor symbolic link.
    pub(crate) fn unsupported_type(path: &[u8]) -> Self {
        Self::without_errno(Kind::Type, format!("file '{}' has an unsupported type", show(path)), path)
    }

    /// A regular file was asked for.
    pub(crate) fn not_regular(path: &[u8]) -> Self {
        Self::without_errno(Kind::Type, format!("'{}' is not a regular file", show(path)), path)
    }

    /// Owned by somebody other than the builder.
    pub(crate) fn ownership(path: &[u8]) -> Self {
        Self::without_errno(Kind::Ownership, format!("invalid ownership on file '{}'", show(path)), path)
    }

    /// Nested below the limit.
    pub(crate) fn depth(path: &[u8], limit: usize) -> Self {
        Self::without_errno(Kind::Depth, format!("'{}' is nested deeper than {limit} levels", show(path)), path)
    }

    /// A file got shorter, or was replaced, between two looks.
    pub(crate) fn changed(path: &[u8]) -> Self {
        Self::without_errno(Kind::Changed, format!("'{}' changed while it was read", show(path)), path)
    }

    /// Ended on request.
    pub(crate) fn cancelled() -> Self {
        Self::without_errno(Kind::Cancelled, "cancelled".to_owned(), b"")
    }

    /// What was to become the tree at `path` is no archive.
    pub(crate) fn archive(message: String, path: &[u8]) -> Self {
        Self::without_errno(Kind::Archive, message, path)
    }

    /// Not what a program for `codec` writes; `how` goes on from "zstd data …".
    pub(crate) fn data(codec: Codec, how: String, path: &[u8]) -> Self {
        Self::without_errno(Kind::Data(codec), format!("{} {how}", show_data(codec, path)), path)
    }

    /// Decompresses to more than `limit` bytes.
    pub(crate) fn coded_size(codec: Codec, limit: u64, path: &[u8]) -> Self {
        let message = format!("{} decompresses to more than {limit} bytes", show_data(codec, path));
        Self::without_errno(Kind::CodedSize, message, path)
    }

    /// Demands more than `limit` bytes of memory.
    pub(crate) fn coded_memory(codec: Codec, limit: u64, path: &[u8]) -> Self {
        let message = format!("{} demands more than {limit} bytes of memory", show_data(codec, path));
        Self::without_errno(Kind::CodedMemory, message, path)
    }
}

/// Data that was given has no path.
fn show_data(codec: Codec, path: &[u8]) -> String {
    let name = codec.name();
    if path.is_empty() { format!("{name} data") } else { format!("{name} data in '{}'", show(path)) }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TreeError {}

fn show(path: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(path)
}
