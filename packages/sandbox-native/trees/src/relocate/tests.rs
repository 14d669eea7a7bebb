use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::testing::{TempDir, bytes, exists, failure, for_each_user, mode, set_mode};

fn relocate(from: &Path, to: &Path) -> Result<()> {
    move_tree(bytes(from), bytes(to))
}

#[test]
fn moves_a_read_only_directory_to_another_parent_and_leaves_its_mode() {
    for_each_user("relocate::tests::moves_a_read_only_directory_to_another_parent_and_leaves_its_mode", || {
        let temp = TempDir::new();
        fs::create_dir_all(temp.join("from/tree")).unwrap();
        fs::create_dir(temp.join("to")).unwrap();
        fs::write(temp.join("from/tree/file"), "x").unwrap();
        set_mode(&temp.join("from/tree"), 0o555);
        relocate(&temp.join("from/tree"), &temp.join("to/tree")).unwrap();
        assert!(!exists(&temp.join("from/tree")) && exists(&temp.join("to/tree/file")));
        assert_eq!(mode(&temp.join("to/tree")), 0o555);
    });
}

#[test]
fn restores_the_mode_when_the_move_fails() {
    for_each_user("relocate::tests::restores_the_mode_when_the_move_fails", || {
        let temp = TempDir::new();
        fs::create_dir_all(temp.join("from/tree")).unwrap();
        fs::create_dir_all(temp.join("to/tree")).unwrap();
        set_mode(&temp.join("from/tree"), 0o555);
        let error = failure(relocate(&temp.join("from/tree"), &temp.join("to/tree")));
        assert_eq!(error.code(), "ERR_TREE_EXISTS");
        assert_eq!(mode(&temp.join("from/tree")), 0o555);
    });
}

#[test]
fn does_not_make_a_directory_writable_when_that_is_not_what_is_missing() {
    for_each_user("relocate::tests::does_not_make_a_directory_writable_when_that_is_not_what_is_missing", || {
        let temp = TempDir::new();
        fs::create_dir_all(temp.join("from/tree")).unwrap();
        fs::create_dir(temp.join("to")).unwrap();
        set_mode(&temp.join("to"), 0o555);
        let moved = relocate(&temp.join("from/tree"), &temp.join("to/tree"));
        if !crate::testing::is_root() {
            assert_eq!(failure(moved).errno, Some(libc::EACCES));
        }
    });
}

#[test]
fn refuses_every_kind_of_target() {
    let temp = TempDir::new();
    fs::write(temp.join("source"), "new").unwrap();
    fs::write(temp.join("file"), "old").unwrap();
    fs::create_dir(temp.join("directory")).unwrap();
    symlink("absent", temp.join("link")).unwrap();
    for target in ["file", "directory", "link"] {
        let error = failure(relocate(&temp.join("source"), &temp.join(target)));
        assert_eq!((error.code(), error.path.as_slice()), ("ERR_TREE_EXISTS", bytes(&temp.join(target))));
    }
    assert_eq!(fs::read(temp.join("file")).unwrap(), b"old");
}

#[test]
fn moves_a_link_itself() {
    let temp = TempDir::new();
    fs::create_dir(temp.join("directory")).unwrap();
    symlink("directory", temp.join("link")).unwrap();
    relocate(&temp.join("link"), &temp.join("moved")).unwrap();
    assert_eq!(fs::read_link(temp.join("moved")).unwrap(), Path::new("directory"));
}

#[test]
fn says_that_the_other_path_is_on_another_file_system() {
    let temp = TempDir::new();
    let shm = Path::new("/dev/shm");
    if !shm.is_dir() {
        return; // No second file system to try it with.
    }
    let other = TempDir::below(shm);
    fs::write(temp.join("file"), "x").unwrap();
    let error = failure(relocate(&temp.join("file"), &other.join("file")));
    assert_eq!((error.code(), error.errno), ("ERR_TREE_IO", Some(libc::EXDEV)));
    assert!(exists(&temp.join("file")));
}
