use super::*;

/// Strings of an archive, each with length and padding.
fn strings(all: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for string in all {
        bytes.extend_from_slice(&(string.len() as u64).to_le_bytes());
        bytes.extend_from_slice(string);
        bytes.resize(bytes.len() + padding(string.len() as u64), 0);
    }
    bytes
}

fn archive(inside: &[&[u8]]) -> Vec<u8> {
    strings(&[&[b"nix-archive-1".as_slice(), b"("], inside, &[b")"]].concat())
}

fn entry<'a>(name: &'a [u8], inside: &[&'a [u8]]) -> Vec<&'a [u8]> {
    [&[b"entry".as_slice(), b"(", b"name", name, b"node", b"("], inside, &[b")", b")"]].concat()
}

const EMPTY_FILE: [&[u8]; 4] = [b"type", b"regular", b"contents", b""];

/// What is read of `bytes` in pieces of `length`, contents joined.
fn read(bytes: &[u8], length: usize) -> Result<Vec<String>, String> {
    let mut reader = Reader::new();
    let mut seen: Vec<String> = Vec::new();
    let mut contents = String::new();
    for piece in bytes.chunks(length) {
        let fed = reader.feed(piece, &mut |event| {
            if let Event::Contents(bytes) = event {
                contents.push_str(&String::from_utf8_lossy(bytes));
                return Ok(());
            }
            if !contents.is_empty() {
                seen.push(format!("contents {contents}"));
                contents.clear();
            }
            seen.push(match event {
                Event::Directory { name } => format!("directory {}", String::from_utf8_lossy(name)),
                Event::DirectoryEnd => "end".to_owned(),
                Event::Regular { name, executable, size } => {
                    format!("regular {} {executable} {size}", String::from_utf8_lossy(name))
                }
                Event::Symlink { name, target } => {
                    format!("symlink {} {}", String::from_utf8_lossy(name), String::from_utf8_lossy(target))
                }
                Event::Contents(_) => unreachable!("taken above"),
            });
            Ok::<(), ()>(())
        });
        fed.map_err(|stop| match stop {
            Stop::Refused(message) => message,
            Stop::Taker(()) => unreachable!("it takes everything"),
        })?;
    }
    reader.finish()?;
    if !contents.is_empty() {
        seen.push(format!("contents {contents}"));
    }
    Ok(seen)
}

fn example() -> Vec<u8> {
    let run = entry(b"run", &[b"type", b"regular", b"executable", b"", b"contents", b"hello world"]);
    let link = entry(b"link", &[b"type", b"symlink", b"target", b"run"]);
    let inner = entry(b"d", &[&[b"type".as_slice(), b"directory"], entry(b"x", &EMPTY_FILE).as_slice()].concat());
    archive(&[&[b"type".as_slice(), b"directory"], inner.as_slice(), &link, &run].concat())
}

#[test]
fn reads_the_same_in_whatever_pieces_it_comes() {
    let expected = [
        "directory ",
        "directory d",
        "regular x false 0",
        "end",
        "symlink link run",
        "regular run true 11",
        "contents hello world",
        "end",
    ];
    for length in [1, 3, 7, 8, 9, 100, 10_000] {
        assert_eq!(read(&example(), length).unwrap(), expected, "in pieces of {length}");
    }
}

#[test]
fn refuses_every_beginning_of_an_archive() {
    let whole = example();
    for length in 0..whole.len() {
        let refused = read(&whole[..length], 50).unwrap_err();
        assert_eq!(refused, format!("bad archive: unexpected end-of-file at offset {length}"));
    }
}

#[test]
fn refuses_what_has_no_single_meaning() {
    let directory =
        |entries: &[Vec<&[u8]>]| archive(&[&[b"type".as_slice(), b"directory"], entries.concat().as_slice()].concat());
    let mut padded = archive(&EMPTY_FILE);
    padded[21] = 1;
    let cases: [(&str, Vec<u8>, &str); 12] = [
        ("another magic", strings(&[b"nix-archive-2"]), "expected 'nix-archive-1' at offset 0, found 'nix-archive-2'"),
        ("a page", b"<!DOCTYPE html>".to_vec(), "expected 'nix-archive-1' at offset 0, found a string of"),
        ("an unknown type", archive(&[b"type", b"fifo"]), "or 'directory' at offset 56, found 'fifo'"),
        ("an executable marker with a value", archive(&[b"type", b"regular", b"executable", b"x"]), "found 'x'"),
        ("padding", padded, "expected a zero byte at offset 21, found byte 1"),
        ("no target", archive(&[b"type", b"symlink", b"target", b""]), "expected a target without NUL at offset 88"),
        ("a long name", directory(&[entry(&[b'n'; 256], &EMPTY_FILE)]), "expected at most 255 bytes for a name"),
        ("a way out", directory(&[entry(b"../x", &EMPTY_FILE)]), "expected a file name at offset 128, found '../x'"),
        ("dots", directory(&[entry(b"..", &EMPTY_FILE)]), "expected a file name at offset 128, found '..'"),
        (
            "names out of order",
            directory(&[entry(b"b", &EMPTY_FILE), entry(b"a", &EMPTY_FILE)]),
            "expected a name behind 'b' at offset 312, found 'a'",
        ),
        (
            "a name twice",
            directory(&[entry(b"a", &EMPTY_FILE), entry(b"a", &EMPTY_FILE)]),
            "expected a name behind 'a' at offset 312, found 'a'",
        ),
        ("bytes behind it", [archive(&EMPTY_FILE), vec![0]].concat(), "expected the end at offset 112"),
    ];
    for (name, bytes, expected) in cases {
        for length in [1, bytes.len()] {
            let refused = read(&bytes, length).expect_err(name);
            assert!(refused.contains(expected), "{name}: {refused}");
        }
    }
}

#[test]
fn waits_for_nothing_that_is_declared_too_long() {
    let head = strings(&[b"nix-archive-1", b"(", b"type", b"regular", b"contents"]);
    let refused = read(&[head, u64::MAX.to_le_bytes().to_vec()].concat(), 64).unwrap_err();
    assert!(refused.contains("bytes for the contents at offset 88, found 18446744073709551615"), "{refused}");
}

#[test]
fn refuses_what_is_too_deep() {
    let nested = |depth: usize| {
        let mut bytes = strings(&[b"nix-archive-1", b"(", b"type", b"directory"]);
        for _ in 1..depth {
            bytes.extend(strings(&[b"entry", b"(", b"name", b"d", b"node", b"(", b"type", b"directory"]));
        }
        for _ in 1..depth {
            bytes.extend(strings(&[b")", b")"]));
        }
        bytes.extend(strings(&[b")"]));
        bytes
    };
    assert_eq!(read(&nested(DEPTH_LIMIT), 4096).unwrap().len(), 2 * DEPTH_LIMIT);
    assert!(read(&nested(DEPTH_LIMIT + 1), 4096).unwrap_err().contains("expected at most 64 levels"));
}
