//! What differs between two trees.

use std::cmp::Ordering;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::cancel::Cancel;
use crate::dump::DEPTH_LIMIT;
use crate::error::{Errno, Result, TreeError};
use crate::list::sorted_names;
use crate::root::Root;
use crate::stat::TopType;
use crate::sys::{self, FileType, Stat};

mod contents;

use contents::Contents;
pub use contents::ContentsDiffer;

/// One of the two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// That which was given first.
    One,
    /// That which was given second.
    Other,
}

/// How one file differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only this tree has it, and all below it.
    Only(Side),
    /// It is of two types.
    Type(TopType, TopType),
    /// Only in this tree its owner may execute it.
    Executable(Side),
    /// It is a link to two targets.
    Target(Vec<u8>, Vec<u8>),
    /// It is a regular file of two contents.
    Contents(ContentsDiffer),
}

/// One difference between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Path of the file below the top, which is empty.
    pub path: Vec<u8>,
    /// How it differs.
    pub change: Change,
}

/// All differences between two trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The first of them, in the order of archives.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub count: u64,
}

/// Compares two trees in what archives hold of them. At most `limit` differences are described, all are counted.
///
/// No link is followed in either of them; what is neither regular, directory nor link is a type, whatever it is.
pub fn compare_trees(one: &[u8], other: &[u8], limit: usize, cancel: &Cancel) -> Result<Comparison> {
    let tops = (Root::open(one)?, Root::open(other)?);
    let mut comparer =
        Comparer { tops: &tops, limit, cancel, path: Vec::new(), depth: 0, found: Comparison::default() };
    comparer.compare(
        Place { directory: tops.0.parent(), name: &tops.0.name },
        Place { directory: tops.1.parent(), name: &tops.1.name },
    )?;
    Ok(comparer.found)
}

struct Comparer<'a> {
    tops: &'a (Root, Root),
    limit: usize,
    cancel: &'a Cancel,
    /// Of the file at hand, below the top.
    path: Vec<u8>,
    /// How many directories the walk is in.
    depth: usize,
    found: Comparison,
}

/// A name in a directory of one of the trees.
#[derive(Clone, Copy)]
struct Place<'a> {
    directory: BorrowedFd<'a>,
    name: &'a CStr,
}

impl Comparer<'_> {
    fn compare(&mut self, one: Place<'_>, other: Place<'_>) -> Result<()> {
        self.cancel.check()?;
        let stats = (self.stat(one, Side::One)?, self.stat(other, Side::Other)?);
        match (stats.0.file_type(), stats.1.file_type()) {
            (FileType::Directory, FileType::Directory) => self.directories(one, other),
            (FileType::Regular, FileType::Regular) => self.regular_files((one, stats.0), (other, stats.1)),
            (FileType::Symlink, FileType::Symlink) => self.links(one, other),
            (one, other) => {
                if one != other {
                    self.differs(Change::Type(one.into(), other.into()));
                }
                Ok(())
            }
        }
    }

    fn directories(&mut self, one: Place<'_>, other: Place<'_>) -> Result<()> {
        if self.depth >= DEPTH_LIMIT {
            return Err(TreeError::depth(&self.full_path(Side::One), DEPTH_LIMIT));
        }
        let (one, mut of_one) = self.list(one, Side::One)?;
        let (other, mut of_other) = self.list(other, Side::Other)?;
        let above = self.path.len();
        self.depth += 1;
        while let Some((name, sides)) = next_name(&mut of_one, &mut of_other) {
            if above > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            match sides {
                Some(side) => self.differs(Change::Only(side)),
                None => self.compare(
                    Place { directory: one.as_fd(), name: &name },
                    Place { directory: other.as_fd(), name: &name },
                )?,
            }
            self.path.truncate(above);
        }
        self.depth -= 1;
        Ok(())
    }

    /// A directory and its names, the last of them first.
    fn list(&self, place: Place<'_>, side: Side) -> Result<(OwnedFd, Vec<CString>)> {
        let directory = self.io("open", side, sys::open_directory(place.directory, place.name))?;
        let mut names = self.io("list", side, sorted_names(directory.as_fd()))?;
        names.reverse();
        Ok((directory, names))
    }

    fn regular_files(&mut self, (one, in_one): (Place<'_>, Stat), (other, in_other): (Place<'_>, Stat)) -> Result<()> {
        let files = (self.open(one, Side::One)?, self.open(other, Side::Other)?);
        let full_paths = (self.full_path(Side::One), self.full_path(Side::Other));
        let read = (Contents::new(files.0, full_paths.0)?, Contents::new(files.1, full_paths.1)?);
        if let Some(differ) = contents::compare(read, self.cancel)? {
            self.differs(Change::Contents(differ));
        }
        match (in_one.is_owner_executable(), in_other.is_owner_executable()) {
            (true, false) => self.differs(Change::Executable(Side::One)),
            (false, true) => self.differs(Change::Executable(Side::Other)),
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    fn links(&mut self, one: Place<'_>, other: Place<'_>) -> Result<()> {
        let one = self.io("read", Side::One, sys::read_link(one.directory, one.name))?;
        let other = self.io("read", Side::Other, sys::read_link(other.directory, other.name))?;
        if one != other {
            self.differs(Change::Target(one, other));
        }
        Ok(())
    }

    fn differs(&mut self, change: Change) {
        self.found.count += 1;
        if self.found.differences.len() < self.limit {
            self.found.differences.push(Difference { path: self.path.clone(), change });
        }
    }

    fn stat(&self, place: Place<'_>, side: Side) -> Result<Stat> {
        self.io("stat", side, sys::stat_at(place.directory, place.name))
    }

    fn open(&self, place: Place<'_>, side: Side) -> Result<OwnedFd> {
        self.io("open", side, sys::open_regular(place.directory, place.name))
    }

    fn io<T>(&self, step: &'static str, side: Side, result: std::result::Result<T, Errno>) -> Result<T> {
        result.map_err(|errno| TreeError::io(step, &self.full_path(side), errno))
    }

    fn full_path(&self, side: Side) -> Vec<u8> {
        let top = if side == Side::One { &self.tops.0 } else { &self.tops.1 };
        let mut path = top.path.clone();
        if !self.path.is_empty() {
            path.push(b'/');
            path.extend_from_slice(&self.path);
        }
        path
    }
}

/// The next of two lists of names, each with its last first; the tree that has it, unless both do.
fn next_name(one: &mut Vec<CString>, other: &mut Vec<CString>) -> Option<(CString, Option<Side>)> {
    let order = match (one.last(), other.last()) {
        (Some(in_one), Some(in_other)) => in_one.cmp(in_other),
        (Some(_), None) => Ordering::Less,
        (None, _) => Ordering::Greater,
    };
    match order {
        Ordering::Less => one.pop().map(|name| (name, Some(Side::One))),
        Ordering::Greater => other.pop().map(|name| (name, Some(Side::Other))),
        Ordering::Equal => {
            other.pop();
            one.pop().map(|name| (name, None))
        }
    }
}

#[cfg(test)]
mod tests;
