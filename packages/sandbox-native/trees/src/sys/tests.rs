//! None of these calls follows a link, whatever was looked at before.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::root::Root;
use crate::testing::{TempDir, bytes, mode, set_mode};

/// A directory with links to a file, to a directory and to nothing.
fn links() -> (TempDir, Root) {
    let temp = TempDir::new();
    fs::create_dir_all(temp.join("tree")).unwrap();
    fs::create_dir(temp.join("directory")).unwrap();
    fs::write(temp.join("file"), "outside").unwrap();
    symlink("../file", temp.join("tree/to-file")).unwrap();
    symlink("../directory", temp.join("tree/to-directory")).unwrap();
    symlink("../absent", temp.join("tree/to-nothing")).unwrap();
    let root = Root::open(bytes(&temp.join("tree/x"))).unwrap();
    (temp, root)
}

fn errno<T>(result: Result<T>) -> Option<i32> {
    result.err().map(|errno| errno.0)
}

#[test]
fn opens_no_link() {
    let (_temp, root) = links();
    let tree = root.parent();
    assert_eq!(errno(open_regular(tree, c"to-file")), Some(libc::ELOOP));
    assert!(matches!(errno(open_directory(tree, c"to-directory")), Some(libc::ENOTDIR | libc::ELOOP)));
    let same_mount = errno(open_directory_of_same_mount(tree, c"to-directory"));
    assert!(matches!(same_mount, Some(libc::ENOTDIR | libc::ELOOP)), "{same_mount:?}");
    let handle = open_handle(tree, c"to-file").unwrap();
    assert_eq!(stat(borrow(&handle)).unwrap().file_type(), FileType::Symlink);
    assert_eq!(stat_at(tree, c"to-file").unwrap().file_type(), FileType::Symlink);
}

#[test]
fn creates_nothing_through_a_link() {
    let (temp, root) = links();
    let tree = root.parent();
    assert_eq!(errno(create_regular(tree, c"to-nothing", 0o644)), Some(libc::EEXIST));
    assert_eq!(errno(create_regular(tree, c"to-file", 0o644)), Some(libc::EEXIST));
    assert_eq!(errno(create_or_truncate(tree, c"to-nothing", 0o644)), Some(libc::ELOOP));
    assert_eq!(errno(create_or_truncate(tree, c"to-file", 0o644)), Some(libc::ELOOP));
    assert_eq!(errno(make_directory(tree, c"to-nothing", 0o755)), Some(libc::EEXIST));
    assert!(!temp.join("absent").exists());
    assert_eq!(fs::read(temp.join("file")).unwrap(), b"outside");
}

#[test]
fn changes_a_link_and_not_its_target() {
    let (temp, root) = links();
    set_mode(&temp.join("file"), 0o640);
    let before = fs::metadata(temp.join("file")).unwrap();
    let handle = open_handle(root.parent(), c"to-file").unwrap();
    set_modified(borrow(&handle), 1).unwrap();
    // A link has no mode of its own; what counts is where the change does not go.
    let _ = super::set_mode(borrow(&handle), 0o777);
    let after = fs::metadata(temp.join("file")).unwrap();
    assert_eq!((after.mtime(), after.mtime_nsec()), (before.mtime(), before.mtime_nsec()));
    assert_eq!(mode(&temp.join("file")), 0o640);
    assert_eq!(fs::symlink_metadata(temp.join("tree/to-file")).unwrap().mtime(), 1);
}

#[test]
fn changes_the_mode_by_the_path_of_a_handle_as_well() {
    let temp = TempDir::new();
    fs::write(temp.join("file"), "").unwrap();
    set_mode(&temp.join("file"), 0);
    let root = Root::open(bytes(&temp.join("file"))).unwrap();
    let handle = open_handle(root.parent(), &root.name).unwrap();
    set_mode_by_path(borrow(&handle), 0o444).unwrap();
    assert_eq!(mode(&temp.join("file")), 0o444);
    set_modified_by_path(borrow(&handle), &times(7)).unwrap();
    assert_eq!(fs::metadata(temp.join("file")).unwrap().mtime(), 7);
}
