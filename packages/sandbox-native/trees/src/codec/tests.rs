use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::source::ChunkSource;
use crate::testing::{TempDir, bytes, exists, failure};

fn decompress(path: &Path) -> Result<Vec<u8>> {
    let mut source = Bzip2Source::open(bytes(path))?;
    let mut text = Vec::new();
    let mut chunk = vec![0; 1000];
    loop {
        let length = source.fill(&mut chunk)?;
        text.extend_from_slice(&chunk[..length]);
        if length < chunk.len() {
            return Ok(text);
        }
    }
}

fn compress(source: &Path, target: &Path) -> Result<()> {
    compress_bzip2(bytes(source), bytes(target))
}

#[test]
fn decompresses_what_it_compressed() {
    let temp = TempDir::new();
    for size in [0, 1, 999, 1000, 2_000_000] {
        let text: Vec<u8> = (0..size).map(|at: u32| (at % 97) as u8).collect();
        fs::write(temp.join("log"), &text).unwrap();
        compress(&temp.join("log"), &temp.join("log.bz2")).unwrap();
        assert!(decompress(&temp.join("log.bz2")).unwrap() == text, "{size}");
    }
}

#[test]
fn agrees_with_the_program() {
    let temp = TempDir::new();
    fs::write(temp.join("log"), "a line\n".repeat(1000)).unwrap();
    compress(&temp.join("log"), &temp.join("ours.bz2")).unwrap();
    let Ok(output) = Command::new("bzip2").args(["-d", "-c"]).arg(temp.join("ours.bz2")).output() else {
        return; // The program is not installed.
    };
    assert_eq!(output.stdout, fs::read(temp.join("log")).unwrap());
    let theirs = Command::new("bzip2").arg("-c").arg(temp.join("log")).output().unwrap();
    // Two streams one after the other, as some programs write.
    fs::write(temp.join("theirs.bz2"), [theirs.stdout.as_slice(), &theirs.stdout].concat()).unwrap();
    assert_eq!(decompress(&temp.join("theirs.bz2")).unwrap(), "a line\n".repeat(2000).as_bytes());
}

#[test]
fn refuses_damaged_data() {
    let temp = TempDir::new();
    let text: Vec<u8> = (0..100_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(temp.join("log"), text).unwrap();
    compress(&temp.join("log"), &temp.join("good")).unwrap();
    let good = fs::read(temp.join("good")).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let cases: [(&str, &[u8]); 4] = [
        ("cut short", &good[..good.len() - 1]),
        ("cut in the middle", &good[..good.len() / 2]),
        ("flipped", &flipped),
        ("something else", b"plain text"),
    ];
    for (name, data) in cases {
        fs::write(temp.join("bad"), data).unwrap();
        let error = failure(decompress(&temp.join("bad")));
        assert_eq!(error.code(), "ERR_BZIP2_DATA", "{name}");
        assert_eq!(error.path, bytes(&temp.join("bad")));
    }
}

#[test]
fn replaces_a_target_and_does_not_write_through_a_link() {
    let temp = TempDir::new();
    fs::write(temp.join("log"), "text").unwrap();
    fs::write(temp.join("old.bz2"), vec![0; 10_000]).unwrap();
    compress(&temp.join("log"), &temp.join("old.bz2")).unwrap();
    assert_eq!(decompress(&temp.join("old.bz2")).unwrap(), b"text");
    fs::write(temp.join("outside"), "kept").unwrap();
    symlink("outside", temp.join("link.bz2")).unwrap();
    assert_eq!(failure(compress(&temp.join("log"), &temp.join("link.bz2"))).errno, Some(libc::ELOOP));
    assert_eq!(fs::read(temp.join("outside")).unwrap(), b"kept");
    symlink("log", temp.join("link")).unwrap();
    assert_eq!(failure(compress(&temp.join("link"), &temp.join("new.bz2"))).code(), "ERR_TREE_TYPE");
    assert!(!exists(&temp.join("new.bz2")));
}

#[test]
fn removes_the_target_when_the_disk_is_full() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return; // Nothing here that is always full.
    }
    let temp = TempDir::new();
    fs::write(temp.join("log"), "text").unwrap();
    // The device itself is refused, because it is no regular file; its error is what is looked at here.
    assert_eq!(failure(compress(&temp.join("log"), full)).code(), "ERR_TREE_TYPE");
    let to = OwnedFd::from(fs::OpenOptions::new().write(true).open(full).unwrap());
    let from = OwnedFd::from(fs::File::open(temp.join("log")).unwrap());
    assert_eq!(
        super::compress(&from, super::level_for(3), b"log", to, b"full").expect_err("no space").code(),
        "ERR_NO_SPACE"
    );
}
