use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread;

use super::*;
use crate::error::Kind;
use crate::testing::{TempDir, bytes, exists, failure};
use crate::{Algorithm, SeenInodes, canonicalise_tree, copy_tree, hash_file, hash_tree, scan_tree};

/// Days of reading: a test that is not cancelled does not end.
const ENDLESS_BYTES: u64 = 1 << 43;

fn endless(temp: &TempDir) -> PathBuf {
    let file = temp.join("endless");
    File::create(&file).unwrap().set_len(ENDLESS_BYTES).unwrap();
    file
}

fn soon(cancel: &Cancel) -> thread::JoinHandle<()> {
    let cancel = cancel.clone();
    thread::spawn(move || {
        thread::sleep(std::time::Duration::from_millis(20));
        cancel.request();
    })
}

#[test]
fn reading_a_file_without_end_ends_on_request() {
    let temp = TempDir::new();
    let file = endless(&temp);
    let path = bytes(&file);
    let works: [&dyn Fn(&Cancel) -> TreeError; 3] = [
        &|cancel| failure(hash_tree(path, Algorithm::Sha256, cancel)),
        &|cancel| failure(hash_file(path, Algorithm::Sha1, cancel)),
        &|cancel| failure(scan_tree(path, [], cancel)),
    ];
    for work in works {
        let cancel = Cancel::new();
        let asking = soon(&cancel);
        assert_eq!(work(&cancel).kind, Kind::Cancelled);
        asking.join().unwrap();
    }
}

#[test]
fn a_cancelled_copy_leaves_nothing() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir(&tree).unwrap();
    let file = File::create(tree.join("file")).unwrap();
    for hole in 0..1_000 {
        file.write_all_at(b"x", hole << 20).unwrap();
    }
    let (cancel, copy) = (Cancel::new(), temp.join("copy"));
    cancel.request();
    let error = failure(copy_tree(bytes(&tree), bytes(&copy), None, &cancel));
    assert_eq!(error.kind, Kind::Cancelled);
    assert!(!exists(&copy));
}

#[test]
fn canonicalising_ends_between_two_entries() {
    let temp = TempDir::new();
    fs::create_dir_all(temp.join("tree/sub")).unwrap();
    let cancel = Cancel::new();
    cancel.request();
    let tree = temp.join("tree");
    let error = failure(canonicalise_tree(bytes(&tree), None, &mut SeenInodes::new(), &cancel));
    assert_eq!(error.kind, Kind::Cancelled);
}
