use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::*;
use crate::testing::{TempDir, bytes};

#[test]
fn names_file_systems() {
    let proc = file_system_type(b"/proc").unwrap();
    assert_eq!(proc, FileSystem { magic: 0x9fa0, name: "proc", is_network: false });
    if Path::new("/dev/shm").is_dir() {
        assert_eq!(file_system_type(b"/dev/shm").unwrap().name, "tmpfs");
    }
    let error = file_system_type(b"/absent/path").expect_err("absent");
    assert_eq!((error.code(), error.errno), ("ERR_OS", Some(libc::ENOENT)));
}

#[test]
fn knows_each_number_once() {
    let mut numbers: Vec<u32> = KNOWN.iter().map(|(magic, ..)| *magic).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), KNOWN.len());
}

#[test]
fn counts_free_bytes() {
    let temp = TempDir::new();
    assert!(free_bytes(bytes(&temp.join(""))).unwrap() > 0);
    assert_eq!(free_bytes(b"/proc").unwrap(), 0);
}

#[test]
fn allocates_every_block_and_keeps_what_is_there() {
    let temp = TempDir::new();
    let path = temp.join("lock.mdb");
    allocate_file(bytes(&path), 100_000).unwrap();
    let made = fs::metadata(&path).unwrap();
    assert_eq!((made.len(), made.mode() & 0o7777), (100_000, 0o600));
    assert!(made.blocks() * 512 >= 100_000);
    fs::write(&path, "kept").unwrap();
    allocate_file(bytes(&path), 10_000).unwrap();
    let text = fs::read(&path).unwrap();
    assert_eq!((text.len(), &text[..4]), (10_000, b"kept".as_slice()));
    allocate_file(bytes(&path), 5).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 10_000);
}

#[test]
fn writes_zeroes_where_blocks_cannot_be_asked_for() {
    let temp = TempDir::new();
    let path = temp.join("file");
    fs::write(&path, "kept").unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    write_zeroes(file.as_fd(), 4, 200_000).unwrap();
    let text = fs::read(&path).unwrap();
    assert_eq!((text.len(), &text[..5]), (200_000, b"kept\0".as_slice()));
}

#[test]
fn refuses_a_link_and_more_than_there_is() {
    let temp = TempDir::new();
    symlink("absent", temp.join("link")).unwrap();
    assert_eq!(allocate_file(bytes(&temp.join("link")), 10).expect_err("a link").errno, Some(libc::ELOOP));
    let shm = Path::new("/dev/shm");
    if shm.is_dir() {
        let path = shm.join(format!("drvkit-os-{}", std::process::id()));
        let refused = allocate_file(bytes(&path), 1 << 50);
        fs::remove_file(&path).unwrap();
        assert_eq!(refused.expect_err("a petabyte of memory").code(), "ERR_NO_SPACE");
    }
}
