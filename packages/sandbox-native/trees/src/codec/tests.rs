use std::process::{Command, Stdio};

use super::*;

/// Runs `coding` over `input`, given in pieces, and takes the output in pieces.
fn run(coding: Coding, input: &[u8], pieces: (usize, usize)) -> Result<Vec<u8>, Broken> {
    let mut coder = coding.start();
    let (mut all, mut at) = (Vec::new(), 0);
    let mut output = vec![0; pieces.1];
    loop {
        let end = input.len().min(at + pieces.0);
        let step = coder.step(&input[at..end], end == input.len(), &mut output)?;
        at += step.taken;
        all.extend_from_slice(&output[..step.made]);
        if step.ended {
            return Ok(all);
        }
    }
}

fn compress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let coding = Coding::Compress { codec, level: codec.default_level() };
    run(coding, bytes, (5000, 700)).expect("all bytes can be compressed")
}

fn decompress_within(codec: Codec, limits: Limits, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    run(Coding::Decompress { codec, limits }, bytes, (1 << 16, 1 << 16))
}

fn decompress(codec: Codec, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    decompress_within(codec, Limits::default(), bytes)
}

/// Compresses little.
fn noise(words: u32) -> Vec<u8> {
    (0..words).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn gives_back_what_was_compressed_in_pieces_of_any_size() {
    for codec in Codec::ALL {
        for text in [Vec::new(), b"x".to_vec(), noise(3000), vec![b'y'; 140_000]] {
            let packed = compress(codec, &text);
            for pieces in [(1, 1), (1, 1000), (1000, 1), (7, 4096), (1 << 20, 1 << 20)] {
                if pieces.1 == 1 && text.len() > 100_000 {
                    continue;
                }
                let coding = Coding::Decompress { codec, limits: Limits::default() };
                assert!(run(coding, &packed, pieces) == Ok(text.clone()), "{codec:?} {} {pieces:?}", text.len());
            }
        }
    }
}

#[test]
fn compresses_at_every_level() {
    let text = noise(500);
    for codec in Codec::ALL {
        for level in codec.levels() {
            let packed = run(Coding::Compress { codec, level }, &text, (3000, 1000)).unwrap();
            assert!(decompress(codec, &packed).as_ref() == Ok(&text), "{codec:?} {level}");
        }
        assert!(codec.levels().contains(&codec.default_level()));
    }
}

#[test]
fn reads_all_streams_of_a_format_that_has_several() {
    for codec in Codec::ALL {
        let three = [b"one".as_slice(), b"", b"three"].map(|text| compress(codec, text)).concat();
        let read = decompress(codec, &three);
        if codec == Codec::Brotli {
            assert_eq!(read, Err(Broken::Followed(compress(codec, b"one").len() as u64)));
        } else {
            assert_eq!(read.as_deref(), Ok(b"onethree".as_slice()), "{codec:?}");
        }
    }
}

#[test]
fn passes_over_what_the_format_says_to_pass_over() {
    // A skippable frame of four bytes, as zstd and lz4 have them.
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    for codec in [Codec::Zstd, Codec::Lz4] {
        let one = compress(codec, b"text");
        for mixed in [[&one, skipped.as_slice(), &one].concat(), [skipped.as_slice(), &one, &one].concat()] {
            assert_eq!(decompress(codec, &mixed).as_deref(), Ok(b"texttext".as_slice()), "{codec:?}");
        }
    }
    let one = compress(Codec::Xz, b"text");
    let length = one.len() as u64;
    for (zeros, ends) in [(4, true), (8, true), (3, false), (5, false)] {
        let padded = [one.as_slice(), &[0; 8][..zeros]].concat();
        let expected = if ends { Ok(b"text".to_vec()) } else { Err(Broken::Followed(length)) };
        assert_eq!(decompress(Codec::Xz, &padded), expected, "{zeros}");
        let between = [&padded, one.as_slice()].concat();
        assert_eq!(decompress(Codec::Xz, &between).is_ok(), ends, "{zeros}");
    }
}

#[test]
fn says_where_data_ends_early() {
    for codec in Codec::ALL {
        let packed = compress(codec, &noise(8000));
        for length in [0, 1, 3, packed.len() / 3, packed.len() / 2, packed.len() - 1] {
            assert_eq!(decompress(codec, &packed[..length]), Err(Broken::Early(length as u64)), "{codec:?}");
        }
        // The second stream breaks off.
        if codec.repeats() {
            let two = [packed.as_slice(), &packed[..100]].concat();
            assert_eq!(decompress(codec, &two), Err(Broken::Early(two.len() as u64)), "{codec:?}");
        }
    }
}

#[test]
fn says_where_something_else_follows() {
    for codec in Codec::ALL {
        let packed = compress(codec, b"text");
        for garbage in [b"x".as_slice(), b"plain text, long enough to be a header", &[0xff; 100]] {
            let followed = [packed.as_slice(), garbage].concat();
            assert_eq!(
                decompress(codec, &followed),
                Err(Broken::Followed(packed.len() as u64)),
                "{codec:?} {garbage:?}"
            );
        }
    }
}

#[test]
fn refuses_damage() {
    for codec in Codec::ALL {
        assert!(matches!(decompress(codec, b"plain text, long enough"), Err(Broken::Damaged(_))), "{codec:?}");
        let text = noise(8000);
        let packed = compress(codec, &text);
        for at in [packed.len() / 4, packed.len() / 2, packed.len() - 12] {
            let mut flipped = packed.clone();
            flipped[at] ^= 0x10;
            let read = decompress(codec, &flipped);
            // Brotli has no checksum.
            assert!(if codec == Codec::Brotli { read.as_ref() != Ok(&text) } else { read.is_err() }, "{codec:?} {at}");
        }
    }
}

/// A megabyte for each of a few kilobytes, and not one byte further than allowed.
#[test]
fn stops_at_the_declared_size() {
    let text = vec![0; 2_000_000];
    for codec in Codec::ALL {
        let bomb = compress(codec, &text);
        for (size, ends) in [(text.len() as u64, true), (text.len() as u64 - 1, false), (0, false)] {
            let limits = Limits { size, ..Limits::default() };
            let read = decompress_within(codec, limits, &bomb);
            assert_eq!(read.as_ref().err(), if ends { None } else { Some(&Broken::Size) }, "{codec:?} {size}");
        }
    }
}

#[test]
fn refuses_what_demands_too_much_memory() {
    let xz = compress(Codec::Xz, b"text");
    let limits = |memory| Limits { memory, ..Limits::default() };
    assert_eq!(decompress_within(Codec::Xz, limits(1 << 20), &xz), Err(Broken::Memory));
    assert_eq!(decompress_within(Codec::Xz, limits(16 << 20), &xz).as_deref(), Ok(b"text".as_slice()));
    // A frame that says that its window has 8 MiB, then one that says 2 GiB.
    let zstd = |window: u8| [0x28, 0xb5, 0x2f, 0xfd, 0, window, 1, 0, 0];
    assert_eq!(decompress_within(Codec::Zstd, limits(4 << 20), &zstd(13 << 3)), Err(Broken::Memory));
    assert_eq!(decompress_within(Codec::Zstd, limits(8 << 20), &zstd(13 << 3)).as_deref(), Ok(b"".as_slice()));
    assert_eq!(decompress(Codec::Zstd, &zstd(21 << 3)), Err(Broken::Memory));
    // A window of 1 GiB, which only brotli beyond its RFC has.
    assert_eq!(decompress(Codec::Brotli, &[0x11, 30, 3]), Err(Broken::Memory));
}

#[test]
fn agrees_with_the_programs() {
    let text = "a line\n".repeat(10_000).into_bytes();
    for codec in [Codec::Xz, Codec::Zstd, Codec::Bzip2, Codec::Gzip, Codec::Lz4] {
        let Some(theirs) = program(codec.name(), &["-c"], &text) else {
            eprintln!("skipped: {} is not installed", codec.name());
            continue;
        };
        assert!(decompress(codec, &theirs).as_ref() == Ok(&text), "{codec:?}");
        let ours = program(codec.name(), &["-d", "-c"], &compress(codec, &text));
        assert!(ours.as_ref() == Some(&text), "{codec:?}");
    }
}

fn program(name: &str, flags: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
    let mut child = Command::new(name).args(flags).stdin(stdin).stdout(stdout).spawn().ok()?;
    let mut to = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut to, &input));
    let output = child.wait_with_output().expect("it ends");
    let _ = writing.join();
    assert!(output.status.success(), "{name}");
    Some(output.stdout)
}

#[test]
fn has_the_names_of_narinfos() {
    let found: Vec<_> =
        ["xz", "zstd", "bzip2", "gzip", "br", "lz4"].iter().filter_map(|name| Codec::from_compression(name)).collect();
    assert_eq!(found, [Codec::Xz, Codec::Zstd, Codec::Bzip2, Codec::Gzip, Codec::Brotli, Codec::Lz4]);
    assert_eq!(["brotli", "none", "", "XZ"].map(Codec::from_compression), [None; 4]);
}
