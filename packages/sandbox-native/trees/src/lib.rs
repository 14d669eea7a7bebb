//! Everything that touches a file tree which a builder or an archive wrote: archive and hash, reference scan, canonical metadata,
//! copy, move, removal, and compression of logs.
//!
//! Such a tree is hostile until proven otherwise. It is reached through directory descriptors only, no link in it is followed, and no name
//! is looked up twice where it matters that both lookups find the same file. Only the directory above the top of a tree is found by path:
//! that path is the caller's own.
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod add;
mod archive;
mod cancel;
mod canonical;
mod codec;
mod compare;
mod copy;
mod directories;
mod dump;
mod error;
mod hash;
mod implementation;
mod list;
mod listing;
mod outline;
mod packed;
mod pipe;
mod pool;
#[cfg(test)]
mod races;
mod relocate;
mod remove;
mod restore;
mod rewrite;
mod root;
mod scan;
mod source;
mod stat;
mod sync;
#[allow(unsafe_code)]
mod sys;
mod tee;
#[cfg(test)]
mod testing;

pub use add::copy_canonical;
pub use cancel::Cancel;
pub use canonical::{SeenInodes, canonicalise_tree};
pub use codec::{Codec, Coding, Limits};
pub use compare::{Change, Comparison, ContentsDiffer, Difference, Side, compare_trees};
pub use copy::{Keep, copy_tree};
pub use dump::{DEPTH_LIMIT, Dumper};
pub use error::{Errno, Kind, Result, TreeError};
pub use hash::{Algorithm, Digest, Scan, hash_file, hash_tree, scan_tree};
pub use implementation::sha256_implementation;
pub use listing::{Listing, STAMP_BYTES, Stamp, list_directory, stamp_top};
pub use outline::{Node, What, outline_tree};
pub use packed::code_file;
pub use pipe::{Flow, Pipe};
pub use pool::Pool;
pub use relocate::{move_tree, replace_tree};
pub use remove::remove_tree;
pub use restore::Restorer;
pub use rewrite::{Rewrites, hash_tree_modulo, rewrite_tree};
pub use scan::{HASH_PART_BYTES, HashPart, Scanner};
pub use source::{ChunkSource, FileSource};
pub use stat::{TopStat, TopType, stat_tree};
pub use sync::sync_tree;
pub use tee::{Passed, ScannedDump};
