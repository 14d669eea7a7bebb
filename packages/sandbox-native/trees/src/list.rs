//! The names in a directory.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use crate::error::Errno;
use crate::sys;

const BUFFER_BYTES: usize = 32 * 1024;

/// Offsets of the fields in a `linux_dirent64`: inode (8), position (8), record length (2), type (1), name.
const RECORD_LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

/// All names but "." and "..", in byte order.
pub(crate) fn sorted_names(directory: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = sys::read_directory(directory, &mut buffer)?;
        if length == 0 {
            names.sort_unstable();
            return Ok(names);
        }
        collect_names(&buffer[..length], &mut names);
    }
}

fn collect_names(mut records: &[u8], names: &mut Vec<CString>) {
    while records.len() > NAME_AT {
        let length = u16::from_ne_bytes([records[RECORD_LENGTH_AT], records[RECORD_LENGTH_AT + 1]]);
        let (record, rest) = records.split_at(usize::from(length).clamp(NAME_AT, records.len()));
        if let Ok(name) = CStr::from_bytes_until_nul(&record[NAME_AT..])
            && !matches!(name.to_bytes(), b"." | b"..")
        {
            names.push(name.to_owned());
        }
        records = rest;
    }
}
