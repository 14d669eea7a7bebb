use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::codec::Limits;
use crate::sys::injected::{Call, failing};
use crate::testing::{TempDir, bytes, exists, failure};

fn compress(codec: Codec, source: &Path, target: &Path) -> Result<()> {
    let coding = Coding::Compress { codec, level: codec.default_level() };
    code_file(coding, bytes(source), bytes(target), &Cancel::new())
}

fn decompress(codec: Codec, source: &Path, target: &Path) -> Result<()> {
    let coding = Coding::Decompress { codec, limits: Limits::default() };
    code_file(coding, bytes(source), bytes(target), &Cancel::new())
}

#[test]
fn gives_back_the_file() {
    let temp = TempDir::new();
    for codec in Codec::ALL {
        for size in [0, 1, 999, 1000, 300_000] {
            let text: Vec<u8> = (0..size).map(|at: u32| (at % 97) as u8).collect();
            fs::write(temp.join("log"), &text).unwrap();
            compress(codec, &temp.join("log"), &temp.join("packed")).unwrap();
            decompress(codec, &temp.join("packed"), &temp.join("again")).unwrap();
            assert!(fs::read(temp.join("again")).unwrap() == text, "{codec:?} {size}");
        }
    }
}

#[test]
fn says_which_file_is_damaged_and_leaves_no_part_of_what_it_held() {
    let temp = TempDir::new();
    fs::write(temp.join("bad"), "plain text").unwrap();
    for (codec, code) in [
        (Codec::Xz, "ERR_XZ_DATA"),
        (Codec::Zstd, "ERR_ZSTD_DATA"),
        (Codec::Bzip2, "ERR_BZIP2_DATA"),
        (Codec::Gzip, "ERR_GZIP_DATA"),
        (Codec::Brotli, "ERR_BROTLI_DATA"),
        (Codec::Lz4, "ERR_LZ4_DATA"),
    ] {
        let error = failure(decompress(codec, &temp.join("bad"), &temp.join("out")));
        let data = format!("{} data in '{}' ", codec.name(), temp.join("bad").display());
        assert_eq!((error.code(), error.path.as_slice()), (code, bytes(&temp.join("bad"))));
        assert!(error.message.starts_with(&data), "{error}");
        assert!(!exists(&temp.join("out")));
    }
}

#[test]
fn replaces_a_target_and_does_not_write_through_a_link() {
    let temp = TempDir::new();
    fs::write(temp.join("log"), "text").unwrap();
    fs::write(temp.join("old"), vec![0; 10_000]).unwrap();
    compress(Codec::Zstd, &temp.join("log"), &temp.join("old")).unwrap();
    decompress(Codec::Zstd, &temp.join("old"), &temp.join("again")).unwrap();
    assert_eq!(fs::read(temp.join("again")).unwrap(), b"text");
    fs::write(temp.join("outside"), "kept").unwrap();
    symlink("outside", temp.join("to")).unwrap();
    assert_eq!(failure(compress(Codec::Xz, &temp.join("log"), &temp.join("to"))).errno, Some(libc::ELOOP));
    assert_eq!(fs::read(temp.join("outside")).unwrap(), b"kept");
    symlink("log", temp.join("link")).unwrap();
    assert_eq!(failure(compress(Codec::Xz, &temp.join("link"), &temp.join("new"))).code(), "ERR_TREE_TYPE");
    assert!(!exists(&temp.join("new")));
}

#[test]
fn says_that_the_disk_is_full() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return; // Nothing here that is always full.
    }
    let temp = TempDir::new();
    fs::write(temp.join("log"), "text").unwrap();
    // The device itself is refused, because it is no regular file; its error is what is looked at here.
    assert_eq!(failure(compress(Codec::Xz, &temp.join("log"), full)).code(), "ERR_TREE_TYPE");
    let to = OwnedFd::from(fs::OpenOptions::new().write(true).open(full).unwrap());
    let from = bytes(&temp.join("log")).to_vec();
    let mut pipe = Pipe::open(b"log", Cancel::new(), move || Ok(Box::new(FileSource::open(&from)?)));
    assert_eq!(failure(pour(&mut pipe, &to, b"full")).code(), "ERR_NO_SPACE");
}

#[test]
fn ends_on_request_and_leaves_nothing() {
    let temp = TempDir::new();
    fs::write(temp.join("log"), "text").unwrap();
    let cancel = Cancel::new();
    cancel.request();
    let coding = Coding::Compress { codec: Codec::Xz, level: 1 };
    let error = failure(code_file(coding, bytes(&temp.join("log")), bytes(&temp.join("out")), &cancel));
    assert_eq!(error.code(), "ERR_CANCELLED");
    assert!(!exists(&temp.join("out")));
}

#[test]
fn says_which_of_the_two_files_fails_and_leaves_nothing() {
    let temp = TempDir::new();
    fs::write(temp.join("log"), "text").unwrap();
    let act = || compress(Codec::Gzip, &temp.join("log"), &temp.join("out"));
    for (call, step, file) in [(Call::Read, "read", "log"), (Call::Write, "write", "out")] {
        let error = failure(failing(call, libc::EIO, act));
        assert_eq!((error.step, error.errno), (Some(step), Some(libc::EIO)));
        assert_eq!(error.path, bytes(&temp.join(file)));
        assert!(!exists(&temp.join("out")));
    }
}
