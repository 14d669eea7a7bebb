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

#[test]
fn replaces_what_is_there_and_leaves_it_where_the_new_tree_was() {
    for_each_user("relocate::tests::replaces_what_is_there_and_leaves_it_where_the_new_tree_was", || {
        for by_steps in [false, true] {
            let temp = TempDir::new();
            for (name, content) in [("new", "new"), ("old", "old")] {
                fs::create_dir_all(temp.join(name).join("tree")).unwrap();
                fs::write(temp.join(name).join("tree/file"), content).unwrap();
                set_mode(&temp.join(name).join("tree"), 0o555);
            }
            let (from, to) = (temp.join("new/tree"), temp.join("old/tree"));
            if by_steps {
                let (source, target) = (Root::open(bytes(&from)).unwrap(), Root::open(bytes(&to)).unwrap());
                while_writable(&[&source, &target], || exchange_by_steps(&source, &target)).unwrap().unwrap();
            } else {
                replace_tree(bytes(&from), bytes(&to)).unwrap();
            }
            assert_eq!(fs::read(to.join("file")).unwrap(), b"new");
            assert_eq!(fs::read(from.join("file")).unwrap(), b"old");
            assert_eq!((mode(&from), mode(&to)), (0o555, 0o555));
        }
    });
}

#[test]
fn replaces_what_is_not_there_and_links_themselves() {
    let temp = TempDir::new();
    fs::write(temp.join("new"), "new").unwrap();
    replace_tree(bytes(&temp.join("new")), bytes(&temp.join("place"))).unwrap();
    assert_eq!(fs::read(temp.join("place")).unwrap(), b"new");
    symlink("place", temp.join("link")).unwrap();
    replace_tree(bytes(&temp.join("link")), bytes(&temp.join("place"))).unwrap();
    assert_eq!(fs::read_link(temp.join("place")).unwrap(), Path::new("place"));
    assert_eq!(fs::read(temp.join("link")).unwrap(), b"new");
}

#[test]
fn puts_the_old_tree_back_when_the_new_one_is_not_there() {
    let temp = TempDir::new();
    fs::write(temp.join("place"), "old").unwrap();
    let (source, target) =
        (Root::open(bytes(&temp.join("absent"))).unwrap(), Root::open(bytes(&temp.join("place"))).unwrap());
    assert_eq!(exchange_by_steps(&source, &target), Err(Errno(libc::ENOENT)));
    assert_eq!(fs::read(temp.join("place")).unwrap(), b"old");
    assert!(!exists(&temp.join("absent.old")));
}
