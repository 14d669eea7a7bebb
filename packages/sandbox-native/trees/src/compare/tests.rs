use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::testing::{TempDir, bytes, set_mode};

fn compare(dir: &TempDir, limit: usize) -> Result<Comparison> {
    compare_trees(bytes(&dir.join("one")), bytes(&dir.join("other")), limit, &Cancel::default())
}

/// The same directory twice.
fn twice(make: impl Fn(&Path)) -> TempDir {
    let dir = TempDir::new();
    for name in ["one", "other"] {
        let top = dir.join(name);
        fs::create_dir(&top).expect("a fresh directory");
        make(&top);
    }
    dir
}

fn found(dir: &TempDir) -> Vec<(String, Change)> {
    let Comparison { differences, count } = compare(dir, 100).expect("both are there");
    assert_eq!(count, differences.len() as u64);
    differences.into_iter().map(|each| (String::from_utf8_lossy(&each.path).into_owned(), each.change)).collect()
}

fn contents(dir: &TempDir) -> ContentsDiffer {
    match found(dir).as_slice() {
        [(_, Change::Contents(differ))] => differ.clone(),
        others => panic!("{others:?}"),
    }
}

#[test]
fn equal_trees_do_not_differ_whatever_their_times_and_other_modes() {
    let dir = twice(|top| {
        fs::create_dir(top.join("sub")).expect("fresh");
        fs::write(top.join("sub/file"), "text").expect("fresh");
        symlink("nowhere", top.join("link")).expect("fresh");
    });
    set_mode(&dir.join("one/sub/file"), 0o600);
    set_mode(&dir.join("other/sub/file"), 0o444);
    assert_eq!(found(&dir), []);
}

#[test]
fn each_kind_of_difference_is_told_in_the_order_of_archives() {
    let dir = twice(|top| {
        for name in ["b", "b.d", "c"] {
            fs::write(top.join(name), "same").expect("fresh");
        }
        fs::create_dir(top.join("d")).expect("fresh");
    });
    fs::create_dir(dir.join("one/a")).expect("fresh");
    fs::write(dir.join("one/a/below"), "").expect("fresh");
    set_mode(&dir.join("other/b"), 0o755);
    fs::write(dir.join("other/c"), "some").expect("ours");
    symlink("x", dir.join("one/d/link")).expect("fresh");
    symlink("y", dir.join("other/d/link")).expect("fresh");
    symlink("x", dir.join("one/e")).expect("fresh");
    fs::create_dir(dir.join("other/e")).expect("fresh");
    fs::write(dir.join("other/f"), "").expect("fresh");
    let differ = ContentsDiffer {
        sizes: (4, 4),
        offset: 1,
        around_offset: 0,
        around: (b"same".to_vec(), b"some".to_vec()),
        same_lines: false,
    };
    assert_eq!(
        found(&dir),
        [
            ("a".into(), Change::Only(Side::One)),
            ("b".into(), Change::Executable(Side::Other)),
            ("c".into(), Change::Contents(differ)),
            ("d/link".into(), Change::Target(b"x".to_vec(), b"y".to_vec())),
            ("e".into(), Change::Type(TopType::Symlink, TopType::Directory)),
            ("f".into(), Change::Only(Side::Other)),
        ]
    );
}

#[test]
fn the_top_itself_may_differ() {
    let dir = TempDir::new();
    fs::write(dir.join("one"), "file").expect("fresh");
    fs::create_dir(dir.join("other")).expect("fresh");
    assert_eq!(found(&dir), [(String::new(), Change::Type(TopType::Regular, TopType::Directory))]);
}

#[test]
fn more_differences_than_are_described_are_counted() {
    let dir = twice(|_| ());
    for number in 0..9 {
        fs::write(dir.join(&format!("one/{number}")), "").expect("fresh");
    }
    let Comparison { differences, count } = compare(&dir, 4).expect("both are there");
    assert_eq!((differences.len(), count), (4, 9));
}

#[test]
fn the_first_byte_is_found_beyond_a_chunk_with_what_is_around_it() {
    let dir = twice(|_| ());
    let mut text = vec![b'a'; 700_000];
    fs::write(dir.join("one/file"), &text).expect("fresh");
    text[600_000] = b'b';
    fs::write(dir.join("other/file"), &text).expect("fresh");
    let differ = contents(&dir);
    assert_eq!((differ.offset, differ.around_offset), (600_000, 599_488));
    assert_eq!((differ.around.0.len(), differ.around.1[512]), (1024, b'b'));
}

#[test]
fn what_is_only_longer_differs_at_its_end() {
    let dir = twice(|_| ());
    fs::write(dir.join("one/file"), "text").expect("fresh");
    fs::write(dir.join("other/file"), "text and more").expect("fresh");
    let differ = contents(&dir);
    assert_eq!((differ.offset, differ.sizes, differ.around.0), (4, (4, 13), b"text".to_vec()));
}

#[test]
fn lines_are_the_same_in_any_order_and_only_as_lines() {
    let cases = [
        ("a\nb\nc\n", "c\na\nb\n", true),
        ("a\nb", "b\na", true),
        ("a\nbc\n", "ab\nc\n", false),
        ("a\na\nb\n", "a\nb\nb\n", false),
        ("ab", "ba", false),
    ];
    for (one, other, same) in cases {
        let dir = twice(|_| ());
        fs::write(dir.join("one/file"), one).expect("fresh");
        fs::write(dir.join("other/file"), other).expect("fresh");
        assert_eq!(contents(&dir).same_lines, same, "{one:?} {other:?}");
    }
}

#[test]
fn a_tree_that_is_not_there_or_too_deep_is_an_error() {
    let dir = TempDir::new();
    fs::create_dir(dir.join("one")).expect("fresh");
    let error = compare(&dir, 1).expect_err("one is missing");
    assert_eq!((error.code(), error.errno), ("ERR_TREE_IO", Some(libc::ENOENT)));
    let dir = twice(|top| fs::create_dir_all(top.join("d/".repeat(DEPTH_LIMIT))).expect("fresh"));
    assert_eq!(compare(&dir, 1).expect_err("too deep").code(), "ERR_TREE_DEPTH");
}

#[test]
fn a_request_to_end_is_heard() {
    let dir = twice(|_| ());
    let cancel = Cancel::default();
    cancel.request();
    let compared = compare_trees(bytes(&dir.join("one")), bytes(&dir.join("other")), 1, &cancel);
    assert_eq!(compared.expect_err("cancelled").code(), "ERR_CANCELLED");
}
