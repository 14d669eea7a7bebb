use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use super::*;
use crate::hash::{Algorithm, hash_tree};
use crate::testing::{TempDir, bytes, exists, failure, make_fifo, mode, set_mode};

fn copy(source: &Path, target: &Path) -> Result<()> {
    copy_tree(bytes(source), bytes(target), None, &Cancel::new())
}

fn hash(path: &Path) -> Vec<u8> {
    hash_tree(bytes(path), Algorithm::Sha256, &Cancel::new()).unwrap().bytes
}

#[test]
fn copies_a_tree_that_hashes_the_same() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir_all(tree.join("a/empty")).unwrap();
    fs::write(tree.join("a/file"), vec![3; 3_000_000]).unwrap();
    fs::write(tree.join("run"), "#!/bin/sh\n").unwrap();
    set_mode(&tree.join("run"), 0o4711);
    set_mode(&tree.join("a"), 0o700);
    symlink("../outside", tree.join("a/link")).unwrap();
    copy(&tree, &temp.join("copy")).unwrap();
    assert_eq!(hash(&temp.join("copy")), hash(&tree));
    assert_eq!(mode(&temp.join("copy/run")) & 0o7700, 0o700, "no set-id bits");
    assert_eq!(fs::read_link(temp.join("copy/a/link")).unwrap(), Path::new("../outside"));
}

#[test]
fn copies_a_single_file_and_a_single_link() {
    let temp = TempDir::new();
    fs::write(temp.join("file"), "text").unwrap();
    symlink("/nowhere", temp.join("link")).unwrap();
    copy(&temp.join("file"), &temp.join("file2")).unwrap();
    copy(&temp.join("link"), &temp.join("link2")).unwrap();
    assert_eq!(fs::read(temp.join("file2")).unwrap(), b"text");
    assert_eq!(fs::read_link(temp.join("link2")).unwrap(), Path::new("/nowhere"));
}

#[test]
fn parts_hard_links() {
    let temp = TempDir::new();
    fs::create_dir(temp.join("tree")).unwrap();
    fs::write(temp.join("tree/a"), "x").unwrap();
    fs::hard_link(temp.join("tree/a"), temp.join("tree/b")).unwrap();
    copy(&temp.join("tree"), &temp.join("copy")).unwrap();
    let inode = |name| fs::metadata(temp.join(name)).unwrap().ino();
    assert_ne!(inode("copy/a"), inode("copy/b"));
    assert_ne!(inode("copy/a"), inode("tree/a"));
}

#[test]
fn refuses_a_pipe_and_leaves_nothing_behind() {
    let temp = TempDir::new();
    fs::create_dir_all(temp.join("tree/a")).unwrap();
    fs::write(temp.join("tree/a/file"), "x").unwrap();
    make_fifo(&temp.join("tree/pipe"));
    let error = failure(copy(&temp.join("tree"), &temp.join("copy")));
    assert_eq!(error.code(), "ERR_TREE_TYPE");
    assert_eq!(error.message, format!("file '{}' has an unsupported type", temp.join("tree/pipe").display()));
    assert!(!exists(&temp.join("copy")));
}

#[test]
fn refuses_a_target_that_is_taken_and_leaves_it_alone() {
    let temp = TempDir::new();
    fs::write(temp.join("file"), "new").unwrap();
    fs::create_dir(temp.join("directory")).unwrap();
    symlink("x", temp.join("link")).unwrap();
    fs::write(temp.join("taken"), "old").unwrap();
    fs::create_dir(temp.join("taken-directory")).unwrap();
    symlink("absent", temp.join("dangling")).unwrap();
    for source in ["file", "directory", "link"] {
        for target in ["taken", "taken-directory", "dangling"] {
            let error = failure(copy(&temp.join(source), &temp.join(target)));
            assert_eq!(error.code(), "ERR_TREE_EXISTS", "{source} to {target}");
            assert_eq!(error.path, bytes(&temp.join(target)));
        }
    }
    assert_eq!(fs::read(temp.join("taken")).unwrap(), b"old");
    assert!(exists(&temp.join("taken-directory")) && exists(&temp.join("dangling")) && !exists(&temp.join("absent")));
}

#[test]
fn refuses_a_tree_too_deep_to_be_hashed() {
    let temp = TempDir::new();
    crate::remove::tests::nest(&temp.join("tree"), DEPTH_LIMIT + 1);
    assert_eq!(failure(copy(&temp.join("tree"), &temp.join("copy"))).code(), "ERR_TREE_DEPTH");
    assert!(!exists(&temp.join("copy")));
}

#[test]
fn keeps_holes() {
    let temp = TempDir::new();
    let file = fs::File::create(temp.join("sparse")).unwrap();
    let size = 8 << 20;
    file.set_len(size).unwrap();
    file.write_at(b"middle", 3 << 20).unwrap();
    let allocated = |name| fs::metadata(temp.join(name)).unwrap().blocks() * BYTES_PER_BLOCK;
    let source_allocated = allocated("sparse");
    copy(&temp.join("sparse"), &temp.join("copy")).unwrap();
    assert_eq!(hash(&temp.join("copy")), hash(&temp.join("sparse")));
    if source_allocated < size {
        assert!(allocated("copy") <= source_allocated + (1 << 20), "{}", allocated("copy"));
    }
}

#[test]
fn keeps_a_hole_that_is_the_whole_file() {
    let temp = TempDir::new();
    fs::File::create(temp.join("hole")).unwrap().set_len(1 << 30).unwrap();
    copy(&temp.join("hole"), &temp.join("copy")).unwrap();
    assert_eq!(fs::metadata(temp.join("copy")).unwrap().len(), 1 << 30);
}

#[test]
fn copies_between_file_systems_and_through_its_own_buffer() {
    let temp = TempDir::new();
    let contents: Vec<u8> = (0..2_500_000_u32).map(|at| (at / 7) as u8).collect();
    fs::write(temp.join("file"), &contents).unwrap();
    let shm = Path::new("/dev/shm");
    if shm.is_dir() {
        let other = TempDir::below(shm);
        copy(&temp.join("file"), &other.join("copy")).unwrap();
        assert_eq!(fs::read(other.join("copy")).unwrap(), contents);
    }
    let from = fs::File::open(temp.join("file")).unwrap();
    let to = fs::File::create(temp.join("slow")).unwrap();
    let cancel = Cancel::new();
    let mut copier =
        Copier { can_clone: false, buffer: Vec::new(), created: false, keep: None, cancel: &cancel, tell: None };
    copier.copy_through_us(from.as_fd(), to.as_fd(), contents.len() as u64).unwrap();
    assert_eq!(fs::read(temp.join("slow")).unwrap(), contents);
}

#[test]
fn copies_a_file_that_is_made_up_when_it_is_read() {
    // procfs announces a length of 0, so there is nothing to copy; what counts is that it is no failure.
    let temp = TempDir::new();
    copy(Path::new("/proc/version"), &temp.join("copy")).unwrap();
    assert_eq!(fs::metadata(temp.join("copy")).unwrap().len(), 0);
}

#[test]
fn copies_nothing_but_what_is_kept() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir_all(tree.join("kept/empty")).unwrap();
    fs::create_dir_all(tree.join("dropped")).unwrap();
    fs::write(tree.join("kept/a"), "a").unwrap();
    make_fifo(&tree.join("kept/fifo"));
    make_fifo(&tree.join("dropped/a"));
    let keep = Keep::parse(b"kept\0kept/a\0kept/empty\0dropped/a\0");
    copy_tree(bytes(&tree), bytes(&temp.join("copy")), Some(&keep), &Cancel::new()).unwrap();
    assert!(exists(&temp.join("copy/kept/a")));
    assert!(exists(&temp.join("copy/kept/empty")));
    assert!(!exists(&temp.join("copy/kept/fifo")));
    assert!(!exists(&temp.join("copy/dropped")));
}
