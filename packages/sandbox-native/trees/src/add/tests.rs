use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::*;
use crate::error::Kind;
use crate::hash::hash_tree;
use crate::testing::{TempDir, bytes, exists, failure, make_fifo, mode, set_mode};

fn add(source: &Path, target: &Path) -> Result<Digest> {
    copy_canonical(bytes(source), bytes(target), None, &Cancel::new())
}

fn hash_of(path: &Path) -> Digest {
    hash_tree(bytes(path), Algorithm::Sha256, &Cancel::new()).unwrap()
}

fn make_tree(temp: &TempDir) -> std::path::PathBuf {
    let tree = temp.join("tree");
    fs::create_dir_all(tree.join("a/empty")).unwrap();
    for (name, size) in [("a/large", 3_000_001), ("a/small", 5), ("b", 0), ("c", CHUNK_BYTES), ("run", 8)] {
        fs::write(tree.join(name), vec![3; size]).unwrap();
    }
    set_mode(&tree.join("run"), 0o4711);
    set_mode(&tree.join("a/small"), 0o400);
    symlink("../outside", tree.join("a/link")).unwrap();
    fs::File::create(tree.join("hole")).unwrap().set_len(1_000_003).unwrap();
    tree
}

#[test]
fn the_hash_is_that_of_source_and_copy() {
    let temp = TempDir::new();
    let tree = make_tree(&temp);
    for (number, name) in ["", "a/large", "a/small", "a/link", "a/empty", "b", "hole", "run"].iter().enumerate() {
        let (source, copy) = (tree.join(name), temp.join(&format!("copy-{number}")));
        let digest = add(&source, &copy).unwrap();
        assert_eq!(digest, hash_of(&copy), "{name}");
        assert_eq!(digest, hash_of(&source), "{name}");
    }
}

#[test]
fn the_copy_is_canonical() {
    let temp = TempDir::new();
    let (tree, copy) = (make_tree(&temp), temp.join("copy"));
    add(&tree, &copy).unwrap();
    for (name, expected) in
        [("", 0o555), ("a", 0o555), ("a/empty", 0o555), ("run", 0o555), ("b", 0o444), ("hole", 0o444)]
    {
        assert_eq!(mode(&copy.join(name)), expected, "{name}");
    }
    for name in ["", "a", "a/empty", "a/large", "a/link", "b", "run"] {
        let stat = fs::symlink_metadata(copy.join(name)).unwrap();
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (1, 0), "{name}");
    }
    assert!(fs::metadata(copy.join("hole")).unwrap().blocks() < 1000, "a hole stays one");
}

#[test]
fn many_entries_are_taken_in_turn() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir(&tree).unwrap();
    for number in 0..3 * ENTRIES_BETWEEN {
        fs::write(tree.join(format!("{number}")), vec![7; number * 100]).unwrap();
    }
    assert_eq!(add(&tree, &temp.join("copy")).unwrap(), hash_of(&tree));
}

#[test]
fn a_failure_or_a_request_to_end_leaves_nothing() {
    let temp = TempDir::new();
    let (tree, copy) = (make_tree(&temp), temp.join("copy"));
    let cancel = Cancel::new();
    cancel.request();
    let error = copy_canonical(bytes(&tree), bytes(&copy), None, &cancel).unwrap_err();
    assert!(error.kind == Kind::Cancelled && !exists(&copy));
    make_fifo(&tree.join("x"));
    assert_eq!(failure(add(&tree, &copy)).kind, Kind::Type);
    assert!(!exists(&copy));
}

#[test]
fn what_is_not_kept_is_neither_copied_nor_hashed() {
    let temp = TempDir::new();
    let (tree, copy) = (make_tree(&temp), temp.join("copy"));
    let keep = Keep::parse(b"a\0a/small\0");
    let digest = copy_canonical(bytes(&tree), bytes(&copy), Some(&keep), &Cancel::new()).unwrap();
    assert_eq!(digest, hash_of(&copy));
    assert!(exists(&copy.join("a/small")) && !exists(&copy.join("a/large")) && !exists(&copy.join("run")));
}
