//! What a directory lists.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use crate::error::Errno;
use crate::sys::{self, FileType};

const BUFFER_BYTES: usize = 32 * 1024;

/// Offsets of the fields in a `linux_dirent64`: inode (8), position (8), record length (2), type (1), name.
const RECORD_LENGTH_AT: usize = 16;
const TYPE_AT: usize = 18;
const NAME_AT: usize = 19;

/// What a directory says of one of its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub name: CString,
    /// The type when the directory was read; some file systems do not say.
    said: Option<FileType>,
}

impl Entry {
    /// The type to begin with. It may have changed since: whoever opens the entry looks again at what was opened.
    pub fn file_type(&self, directory: BorrowedFd<'_>) -> Result<FileType, Errno> {
        match self.said {
            Some(said) => Ok(said),
            None => Ok(sys::stat_at(directory, &self.name)?.file_type()),
        }
    }
}

/// All names but "." and "..", in byte order.
pub(crate) fn sorted_names(directory: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    Ok(sorted_entries(directory)?.into_iter().map(|entry| entry.name).collect())
}

/// All entries but "." and "..", in byte order of their names.
pub(crate) fn sorted_entries(directory: BorrowedFd<'_>) -> Result<Vec<Entry>, Errno> {
    let mut entries = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = sys::read_directory(directory, &mut buffer)?;
        if length == 0 {
            entries.sort_unstable_by(|one: &Entry, other| one.name.cmp(&other.name));
            return Ok(entries);
        }
        collect_entries(&buffer[..length], &mut entries);
    }
}

fn collect_entries(mut records: &[u8], entries: &mut Vec<Entry>) {
    while records.len() > NAME_AT {
        let length = u16::from_ne_bytes([records[RECORD_LENGTH_AT], records[RECORD_LENGTH_AT + 1]]);
        let (record, rest) = records.split_at(usize::from(length).clamp(NAME_AT, records.len()));
        if let Ok(name) = CStr::from_bytes_until_nul(&record[NAME_AT..])
            && !matches!(name.to_bytes(), b"." | b"..")
        {
            entries.push(Entry { name: name.to_owned(), said: FileType::of_record(record[TYPE_AT]) });
        }
        records = rest;
    }
}
