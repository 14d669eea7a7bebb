use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::testing::{TempDir, bytes, failure, make_fifo, set_mode};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256_of_tree(path: &Path) -> (String, u64) {
    let digest = hash_tree(bytes(path), Algorithm::Sha256, &Cancel::new()).unwrap();
    (hex(&digest.bytes), digest.size)
}

#[test]
fn knows_the_hashes_of_small_trees() {
    let temp = TempDir::new();
    fs::write(temp.join("empty"), "").unwrap();
    fs::write(temp.join("run"), "").unwrap();
    set_mode(&temp.join("run"), 0o744);
    let empty = "77ac62e2629d8e45f624589c0c8bf99e24b3a722349bf1e79bc186008534e246";
    assert_eq!(sha256_of_tree(&temp.join("empty")), (empty.to_owned(), 112));
    let run = "34e00b8592a6ad465851a46a67464e076102fd5106ca6cb33a2f15009d30d590";
    assert_eq!(sha256_of_tree(&temp.join("run")), (run.to_owned(), 144));
}

#[test]
fn hashes_plain_bytes_by_every_algorithm() {
    let temp = TempDir::new();
    fs::write(temp.join("abc"), "abc").unwrap();
    let of = |algorithm| hex(&hash_file(bytes(&temp.join("abc")), algorithm, &Cancel::new()).unwrap().bytes);
    assert_eq!(of(Algorithm::Md5), "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(of(Algorithm::Sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(of(Algorithm::Sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(
        of(Algorithm::Sha512),
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    );
    assert_eq!(of(Algorithm::Blake3), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
}

/// Sizes around the chunk, where the second thread starts and where the last chunk is empty.
#[test]
fn hashes_the_same_whatever_the_number_of_chunks() {
    let temp = TempDir::new();
    let path = temp.join("file");
    let chunk = CHUNK_BYTES as u64;
    for size in [chunk - 1, chunk, chunk + 1, 2 * chunk, 7 * chunk, 7 * chunk + 5] {
        let contents: Vec<u8> = (0..size).map(|at| (at / 251) as u8).collect();
        fs::write(&path, &contents).unwrap();
        let digest = hash_file(bytes(&path), Algorithm::Sha256, &Cancel::new()).unwrap();
        assert_eq!(digest, Digest { bytes: sha2::Sha256::digest(&contents).to_vec(), size });
    }
}

#[test]
fn reports_a_failure_after_many_chunks() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), vec![0; 9 * CHUNK_BYTES]).unwrap();
    make_fifo(&tree.join("b"));
    assert_eq!(failure(hash_tree(bytes(&tree), Algorithm::Sha256, &Cancel::new())).code(), "ERR_TREE_TYPE");
}

#[test]
fn does_not_hash_through_a_link_or_a_directory() {
    let temp = TempDir::new();
    fs::write(temp.join("file"), "x").unwrap();
    symlink("file", temp.join("link")).unwrap();
    fs::create_dir(temp.join("directory")).unwrap();
    make_fifo(&temp.join("pipe"));
    for name in ["link", "directory", "pipe"] {
        let error = failure(hash_file(bytes(&temp.join(name)), Algorithm::Sha256, &Cancel::new()));
        assert_eq!(error.code(), "ERR_TREE_TYPE", "{name}");
    }
}

const PART: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
const OTHER: &[u8; 32] = b"zyxwvsrqpnmlkjihgfdcba9876543210";

fn found(path: &Path) -> Vec<Vec<u8>> {
    let parts = [PART, OTHER].map(|part| HashPart::new(part).unwrap());
    let scan = scan_tree(bytes(path), parts, &Cancel::new()).unwrap();
    assert_eq!(scan.digest, hash_tree(bytes(path), Algorithm::Sha256, &Cancel::new()).unwrap());
    scan.found.iter().map(|part| part.as_bytes().to_vec()).collect()
}

fn text(part: &[u8]) -> String {
    String::from_utf8(part.to_vec()).unwrap()
}

#[test]
fn finds_references_in_names_targets_and_contents() {
    let temp = TempDir::new();
    let make = |name: &str| {
        fs::create_dir(temp.join(name)).unwrap();
        temp.join(name)
    };
    let named = make("named");
    fs::write(named.join(format!("{}-x", text(PART))), "").unwrap();
    let linked = make("linked");
    symlink(format!("/nix/store/{}-x/bin", text(OTHER)), linked.join("link")).unwrap();
    let both = make("both");
    fs::write(both.join("file"), [OTHER.as_slice(), b"e", PART].concat()).unwrap();
    assert_eq!(found(&named), [PART]);
    assert_eq!(found(&linked), [OTHER]);
    assert_eq!(found(&both), [PART, OTHER]);
    assert!(found(&make("none")).is_empty());
}

#[test]
fn finds_a_reference_across_the_border_of_two_chunks() {
    let temp = TempDir::new();
    let path = temp.join("file");
    // Contents of a plain file at the top start at offset 96 of the archive.
    let border = CHUNK_BYTES - 96;
    for before in [0, 1, 16, 31, 32] {
        let mut contents = vec![b'e'; 3 * CHUNK_BYTES];
        contents[border - before..][..32].copy_from_slice(PART);
        fs::write(&path, contents).unwrap();
        assert_eq!(found(&path), [PART], "{before}");
    }
}
