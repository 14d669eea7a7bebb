use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::error::Kind;
use crate::testing::{TempDir, bytes, failure, set_mode};

#[test]
fn names_are_in_byte_order_and_each_has_its_stamp() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir_all(tree.join("sub/b")).unwrap();
    fs::write(tree.join("sub/a"), "four").unwrap();
    symlink("a", tree.join("sub/B")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    fs::write(tree.join("sub").join(odd), "").unwrap();
    let listing = list_directory(bytes(&tree), b"sub").unwrap();
    assert_eq!(listing.names, b"B\0a\0b\0\xff\0");
    assert_eq!(listing.stamps.len(), 4 * STAMP_BYTES);
    let metadata = fs::symlink_metadata(tree.join("sub/a")).unwrap();
    let numbers: Vec<u64> = listing.stamps[STAMP_BYTES..2 * STAMP_BYTES]
        .chunks_exact(8)
        .map(|field| u64::from_le_bytes(field.try_into().unwrap()))
        .collect();
    let modified = metadata.mtime() as u64 * 1_000_000_000 + metadata.mtime_nsec() as u64;
    assert_eq!(numbers[..3], [u64::from(metadata.mode()), 4, modified]);
    assert_eq!(numbers[4..], [metadata.ino(), metadata.dev()]);
}

#[test]
fn a_stamp_tells_a_changed_file() {
    let temp = TempDir::new();
    let file = temp.join("file");
    assert_eq!(stamp_top(bytes(&file)).unwrap(), None);
    fs::write(&file, "one").unwrap();
    let before = stamp_top(bytes(&file)).unwrap();
    assert_eq!(before, stamp_top(bytes(&file)).unwrap());
    set_mode(&file, 0o755);
    assert_ne!(before, stamp_top(bytes(&file)).unwrap());
}

#[test]
fn no_link_is_followed() {
    let temp = TempDir::new();
    fs::create_dir_all(temp.join("tree/real")).unwrap();
    symlink("real", temp.join("tree/link")).unwrap();
    symlink("tree", temp.join("top")).unwrap();
    let tree = temp.join("tree");
    let error = failure(list_directory(bytes(&tree), b"link"));
    assert_eq!((error.kind, error.errno), (Kind::Io, Some(libc::ENOTDIR)));
    let error = failure(list_directory(bytes(&temp.join("top")), b""));
    assert_eq!((error.kind, error.errno), (Kind::Io, Some(libc::ENOTDIR)));
}

#[test]
fn more_levels_than_an_archive_has_are_refused() {
    let temp = TempDir::new();
    let below = vec!["d"; DEPTH_LIMIT].join("/");
    fs::create_dir_all(temp.join(&below)).unwrap();
    let allowed = vec!["d"; DEPTH_LIMIT - 1].join("/");
    list_directory(bytes(&temp.join("")), allowed.as_bytes()).unwrap();
    let error = failure(list_directory(bytes(&temp.join("")), below.as_bytes()));
    assert_eq!(error.kind, Kind::Depth);
}
