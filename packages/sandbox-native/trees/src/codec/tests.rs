use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::source::ChunkSource;
use crate::testing::{TempDir, bytes, exists, failure};

const CODECS: [Codec; 2] = [Codec::Bzip2, Codec::Zstd];

fn decompress(codec: Codec, path: &Path) -> Result<Vec<u8>> {
    let mut source = Decompressed::open(codec, bytes(path))?;
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

fn compress(codec: Codec, source: &Path, target: &Path) -> Result<()> {
    compress_file(codec, bytes(source), bytes(target))
}

#[test]
fn decompresses_what_it_compressed() {
    for codec in CODECS {
        let temp = TempDir::new();
        for size in [0, 1, 999, 1000, 2_000_000] {
            let text: Vec<u8> = (0..size).map(|at: u32| (at % 97) as u8).collect();
            fs::write(temp.join("log"), &text).unwrap();
            compress(codec, &temp.join("log"), &temp.join("packed")).unwrap();
            assert!(decompress(codec, &temp.join("packed")).unwrap() == text, "{codec:?} {size}");
        }
    }
}

#[test]
fn agrees_with_the_program() {
    for codec in CODECS {
        let temp = TempDir::new();
        fs::write(temp.join("log"), "a line\n".repeat(1000)).unwrap();
        compress(codec, &temp.join("log"), &temp.join("ours")).unwrap();
        let program = |flags: &[&str], input: &str| {
            let input = fs::File::open(temp.join(input)).unwrap();
            Command::new(codec.name()).args(flags).stdin(input).output()
        };
        let Ok(output) = program(&["-d", "-c"], "ours") else {
            eprintln!("skipped: {} is not installed", codec.name());
            continue;
        };
        assert_eq!(output.stdout, fs::read(temp.join("log")).unwrap());
        let theirs = program(&["-c"], "log").unwrap().stdout;
        // Two streams one after the other, as some programs write.
        fs::write(temp.join("theirs"), [theirs.as_slice(), &theirs].concat()).unwrap();
        assert_eq!(decompress(codec, &temp.join("theirs")).unwrap(), "a line\n".repeat(2000).as_bytes());
    }
}

#[test]
fn reads_what_follows_the_first_stream() {
    for codec in CODECS {
        let temp = TempDir::new();
        fs::write(temp.join("log"), "text").unwrap();
        compress(codec, &temp.join("log"), &temp.join("one")).unwrap();
        let one = fs::read(temp.join("one")).unwrap();
        fs::write(temp.join("three"), one.repeat(3)).unwrap();
        assert_eq!(decompress(codec, &temp.join("three")).unwrap(), b"texttexttext", "{codec:?}");
        // A skippable frame of four bytes, as the format has them.
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
        fs::write(temp.join("mixed"), [&one, skipped.as_slice(), &one].concat()).unwrap();
        match codec {
            Codec::Bzip2 => assert_eq!(failure(decompress(codec, &temp.join("mixed"))).code(), "ERR_BZIP2_DATA"),
            Codec::Zstd => assert_eq!(decompress(codec, &temp.join("mixed")).unwrap(), b"texttext"),
        }
    }
}

#[test]
fn refuses_damaged_data() {
    let temp = TempDir::new();
    let text: Vec<u8> = (0..100_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(temp.join("log"), text).unwrap();
    for (codec, code) in [(Codec::Bzip2, "ERR_BZIP2_DATA"), (Codec::Zstd, "ERR_ZSTD_DATA")] {
        compress(codec, &temp.join("log"), &temp.join("good")).unwrap();
        let good = fs::read(temp.join("good")).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 1;
        let followed = [good.as_slice(), b"plain text"].concat();
        let cases: [(&str, &[u8]); 6] = [
            ("empty", b""),
            ("cut short", &good[..good.len() - 1]),
            ("cut in the middle", &good[..good.len() / 2]),
            ("flipped", &flipped),
            ("something else", b"plain text"),
            ("something else behind it", &followed),
        ];
        for (name, data) in cases {
            fs::write(temp.join("bad"), data).unwrap();
            let error = failure(decompress(codec, &temp.join("bad")));
            assert_eq!(error.code(), code, "{name}");
            assert_eq!(error.path, bytes(&temp.join("bad")));
            assert!(error.message.ends_with(&format!("is not complete {} data", codec.name())), "{}", error.message);
        }
    }
}

#[test]
fn replaces_a_target_and_does_not_write_through_a_link() {
    for codec in CODECS {
        let temp = TempDir::new();
        fs::write(temp.join("log"), "text").unwrap();
        fs::write(temp.join("old"), vec![0; 10_000]).unwrap();
        compress(codec, &temp.join("log"), &temp.join("old")).unwrap();
        assert_eq!(decompress(codec, &temp.join("old")).unwrap(), b"text");
        fs::write(temp.join("outside"), "kept").unwrap();
        symlink("outside", temp.join("to")).unwrap();
        assert_eq!(failure(compress(codec, &temp.join("log"), &temp.join("to"))).errno, Some(libc::ELOOP));
        assert_eq!(fs::read(temp.join("outside")).unwrap(), b"kept");
        symlink("log", temp.join("link")).unwrap();
        assert_eq!(failure(compress(codec, &temp.join("link"), &temp.join("new"))).code(), "ERR_TREE_TYPE");
        assert!(!exists(&temp.join("new")));
    }
}

#[test]
fn removes_the_target_when_the_disk_is_full() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return; // Nothing here that is always full.
    }
    for codec in CODECS {
        let temp = TempDir::new();
        fs::write(temp.join("log"), "text").unwrap();
        // The device itself is refused, because it is no regular file; its error is what is looked at here.
        assert_eq!(failure(compress(codec, &temp.join("log"), full)).code(), "ERR_TREE_TYPE");
        let to = OwnedFd::from(fs::OpenOptions::new().write(true).open(full).unwrap());
        let file = OwnedFd::from(fs::File::open(temp.join("log")).unwrap());
        let input = Input { file, size: 4, path: b"log" };
        assert_eq!(super::compress(codec, &input, to, b"full").expect_err("no space").code(), "ERR_NO_SPACE");
    }
}
