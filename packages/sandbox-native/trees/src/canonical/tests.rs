use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::testing::{NOBODY, TempDir, bytes, failure, for_each_user, is_root, make_fifo, mode, set_mode};

fn canonicalise(path: &Path, allowed_uid: Option<u32>) -> Result<()> {
    canonicalise_tree(bytes(path), allowed_uid.map(|uid| uid..uid + 1), &mut SeenInodes::new(), &Cancel::new())
}

fn handle(path: &Path) -> OwnedFd {
    let root = Root::open(bytes(path)).unwrap();
    sys::open_handle(root.parent(), &root.name).unwrap()
}

fn attributes(path: &Path) -> Vec<CString> {
    let mut names = sys::list_attributes(handle(path).as_fd()).unwrap();
    names.retain(|name| !name.to_bytes().starts_with(b"security."));
    names
}

fn set_attribute(path: &Path, name: &CStr) {
    sys::set_attribute(handle(path).as_fd(), name, b"value").unwrap();
}

/// A directory with one of everything.
fn make_tree(temp: &TempDir) -> PathBuf {
    let tree = temp.join("tree");
    fs::create_dir_all(tree.join("inner")).unwrap();
    fs::write(tree.join("plain"), "").unwrap();
    fs::write(tree.join("inner").join("run"), "").unwrap();
    symlink("nowhere", tree.join("link")).unwrap();
    set_mode(&tree.join("plain"), 0o4662);
    set_mode(&tree.join("inner").join("run"), 0o6711);
    set_mode(&tree.join("inner"), 0o3744);
    tree
}

#[test]
fn leaves_two_modes_and_one_time() {
    for_each_user("canonical::tests::leaves_two_modes_and_one_time", || {
        let temp = TempDir::new();
        let tree = make_tree(&temp);
        canonicalise(&tree, None).unwrap();
        assert_eq!(mode(&tree), 0o555);
        assert_eq!(mode(&tree.join("plain")), 0o444);
        assert_eq!(mode(&tree.join("inner")), 0o555);
        assert_eq!(mode(&tree.join("inner/run")), 0o555);
        for path in ["", "plain", "inner", "inner/run", "link"] {
            let metadata = fs::symlink_metadata(tree.join(path)).unwrap();
            assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1, 0), "{path}");
        }
    });
}

#[test]
fn sets_the_nanoseconds_even_when_the_second_is_right() {
    let temp = TempDir::new();
    let file = temp.join("file");
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1, 5);
    fs::File::create(&file).unwrap().set_modified(time).unwrap();
    canonicalise(&file, None).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().mtime_nsec(), 0);
}

#[test]
fn keeps_the_access_time() {
    let temp = TempDir::new();
    let file = temp.join("file");
    let accessed = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1234);
    fs::File::create(&file).unwrap().set_times(fs::FileTimes::new().set_accessed(accessed)).unwrap();
    canonicalise(&file, None).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().atime(), 1234);
}

#[test]
fn enters_directories_that_nobody_may_enter() {
    for_each_user("canonical::tests::enters_directories_that_nobody_may_enter", || {
        let temp = TempDir::new();
        let tree = make_tree(&temp);
        set_mode(&tree.join("inner/run"), 0);
        set_mode(&tree.join("inner"), 0);
        set_mode(&tree, 0);
        canonicalise(&tree, None).unwrap();
        assert_eq!(mode(&tree.join("inner/run")), 0o444);
    });
}

#[test]
fn removes_extended_attributes_also_of_read_only_files() {
    for_each_user("canonical::tests::removes_extended_attributes_also_of_read_only_files", || {
        let temp = TempDir::new();
        let tree = make_tree(&temp);
        for path in [&tree, &tree.join("plain"), &tree.join("inner/run")] {
            set_attribute(path, c"user.one");
            set_attribute(path, c"user.two");
        }
        set_mode(&tree.join("inner/run"), 0o111);
        set_mode(&tree, 0o500);
        canonicalise(&tree, None).unwrap();
        for path in ["", "plain", "inner/run"] {
            assert!(attributes(&tree.join(path)).is_empty(), "{path}");
        }
        assert_eq!(mode(&tree.join("inner/run")), 0o555, "decided by the mode that the builder gave");
    });
}

#[test]
fn removes_extended_attributes_of_links_and_not_of_their_targets() {
    if !is_root() {
        return; // Only root may give a link an attribute.
    }
    let temp = TempDir::new();
    let outside = temp.join("outside");
    fs::write(&outside, "").unwrap();
    set_mode(&outside, 0o646);
    symlink(&outside, temp.join("link")).unwrap();
    set_attribute(&outside, c"trusted.kept");
    set_attribute(&temp.join("link"), c"trusted.gone");
    canonicalise(&temp.join("link"), None).unwrap();
    assert!(attributes(&temp.join("link")).is_empty());
    assert_eq!(attributes(&outside), [c"trusted.kept".to_owned()]);
    assert_eq!(mode(&outside), 0o646);
    assert_ne!(fs::metadata(&outside).unwrap().mtime(), 1);
}

#[test]
fn refuses_a_fifo() {
    let temp = TempDir::new();
    let tree = make_tree(&temp);
    make_fifo(&tree.join("pipe"));
    let error = failure(canonicalise(&tree, None));
    assert_eq!(error.code(), "ERR_TREE_TYPE");
    assert_eq!(error.message, format!("file '{}' has an unsupported type", tree.join("pipe").display()));
}

/// Gives a whole tree to another user.
fn give(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), uid);
        }
    }
}

const BUILDER: u32 = 872_415_232;

#[test]
fn takes_over_the_files_of_the_builder() {
    if !is_root() {
        return; // Only root can give files away.
    }
    let temp = TempDir::new();
    let tree = make_tree(&temp);
    give(&tree, BUILDER);
    canonicalise(&tree, Some(BUILDER)).unwrap();
    for path in ["", "plain", "inner", "inner/run", "link"] {
        let metadata = fs::symlink_metadata(tree.join(path)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (0, 0), "{path}");
    }
    assert_eq!(mode(&tree.join("inner/run")), 0o555);
}

#[test]
fn refuses_a_foreign_file_and_leaves_it_as_it_was() {
    if !is_root() {
        return; // Only root can give files away.
    }
    let temp = TempDir::new();
    let foreign = temp.join("foreign");
    fs::write(&foreign, "").unwrap();
    set_attribute(&foreign, c"user.kept");
    set_mode(&foreign, 0o640);
    chown(&foreign, Some(NOBODY), Some(NOBODY)).unwrap();
    let before = fs::metadata(&foreign).unwrap();

    let tree = make_tree(&temp);
    give(&tree, BUILDER);
    fs::hard_link(&foreign, tree.join("stolen")).unwrap();
    let error = failure(canonicalise(&tree, Some(BUILDER)));
    assert_eq!(error.code(), "ERR_TREE_OWNERSHIP");
    assert_eq!(error.message, format!("invalid ownership on file '{}'", tree.join("stolen").display()));

    let after = fs::metadata(&foreign).unwrap();
    assert_eq!((after.mode(), after.uid(), after.mtime()), (before.mode(), before.uid(), before.mtime()));
    assert_eq!(attributes(&foreign), [c"user.kept".to_owned()]);
}

#[test]
fn refuses_a_foreign_directory_at_the_top() {
    let temp = TempDir::new();
    let tree = make_tree(&temp);
    let error = failure(canonicalise(&tree, Some(BUILDER)));
    assert_eq!((error.code(), error.path.as_slice()), ("ERR_TREE_OWNERSHIP", bytes(&tree)));
    assert_eq!(mode(&tree.join("inner")), 0o3744);
}

#[test]
fn refuses_a_foreign_directory_even_if_it_was_seen() {
    let temp = TempDir::new();
    let tree = make_tree(&temp);
    let mut seen = SeenInodes::new();
    canonicalise_tree(bytes(&tree), None, &mut seen, &Cancel::new()).unwrap();
    let error = failure(canonicalise_tree(bytes(&tree), Some(BUILDER..BUILDER + 1), &mut seen, &Cancel::new()));
    assert_eq!(error.code(), "ERR_TREE_OWNERSHIP");
}

#[test]
fn takes_hard_links_inside_one_build() {
    if !is_root() {
        return; // Without a builder of its own there is no ownership to check.
    }
    let temp = TempDir::new();
    let (one, two) = (temp.join("one"), temp.join("two"));
    for output in [&one, &two] {
        fs::create_dir(output).unwrap();
    }
    fs::write(one.join("file"), "").unwrap();
    fs::hard_link(one.join("file"), one.join("same")).unwrap();
    fs::hard_link(one.join("file"), two.join("same")).unwrap();
    give(&one, BUILDER);
    give(&two, BUILDER);
    let mut seen = SeenInodes::new();
    canonicalise_tree(bytes(&one), Some(BUILDER..BUILDER + 1), &mut seen, &Cancel::new()).unwrap();
    assert_eq!(failure(canonicalise(&two, Some(BUILDER))).code(), "ERR_TREE_OWNERSHIP", "another build's set");
    canonicalise_tree(bytes(&two), Some(0..1), &mut SeenInodes::new(), &Cancel::new())
        .expect("what is left of it is ours");
    give(&two, BUILDER);
    chown(one.join("file"), Some(0), Some(0)).unwrap();
    canonicalise_tree(bytes(&two), Some(BUILDER..BUILDER + 1), &mut seen, &Cancel::new()).unwrap();
}

#[test]
fn goes_deeper_than_there_are_descriptors() {
    let temp = TempDir::new();
    let deepest = crate::remove::tests::nest(&temp.join("tree"), 1500);
    assert_eq!(deepest, 1500);
    canonicalise(&temp.join("tree"), None).unwrap();
    assert_eq!(mode(&temp.join("tree").join("d/d/d")), 0o555);
}
