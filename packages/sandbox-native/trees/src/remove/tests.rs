use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::testing::{
    TempDir, bytes, exists, failure, for_each_user, is_again, is_root, make_fifo, run_again, set_mode,
};

/// Nests directories called `d`, also deeper than a path can be long; returns how many.
pub(crate) fn nest(top: &Path, directories: usize) -> usize {
    fs::create_dir(top).unwrap();
    let root = Root::open(bytes(top)).unwrap();
    let mut current = sys::open_directory(root.parent(), &root.name).unwrap();
    for _ in 1..directories {
        sys::make_directory(current.as_fd(), c"d", 0o755).unwrap();
        current = sys::open_directory(current.as_fd(), c"d").unwrap();
    }
    directories
}

#[test]
fn removes_files_links_directories_and_pipes() {
    for_each_user("remove::tests::removes_files_links_directories_and_pipes", || {
        let temp = TempDir::new();
        let tree = temp.join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        symlink("nowhere", tree.join("link")).unwrap();
        make_fifo(&tree.join("pipe"));
        remove_tree(bytes(&tree), &Cancel::new()).unwrap();
        assert!(!exists(&tree));
    });
}

#[test]
fn takes_what_is_absent_for_removed() {
    let temp = TempDir::new();
    fs::write(temp.join("file"), "").unwrap();
    for name in ["absent", "absent/below", "file/below"] {
        remove_tree(bytes(&temp.join(name)), &Cancel::new()).expect(name);
    }
    assert!(exists(&temp.join("file")));
}

#[test]
fn removes_directories_without_permissions() {
    for_each_user("remove::tests::removes_directories_without_permissions", || {
        let temp = TempDir::new();
        let tree = temp.join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        for (path, mode) in [("a/b", 0o555), ("a", 0), ("", 0o111)] {
            set_mode(&tree.join(path), mode);
        }
        remove_tree(bytes(&tree), &Cancel::new()).unwrap();
        assert!(!exists(&tree));
    });
}

#[test]
fn removes_a_tree_deeper_than_a_path_can_be_long() {
    let temp = TempDir::new();
    nest(&temp.join("tree"), 5000);
    remove_tree(bytes(&temp.join("tree")), &Cancel::new()).unwrap();
    assert!(!exists(&temp.join("tree")));
}

#[test]
fn removes_a_link_and_not_what_it_points_to() {
    let temp = TempDir::new();
    fs::create_dir(temp.join("outside")).unwrap();
    fs::write(temp.join("outside/file"), "x").unwrap();
    fs::create_dir(temp.join("tree")).unwrap();
    symlink("../outside", temp.join("tree/link")).unwrap();
    symlink("outside", temp.join("top")).unwrap();
    remove_tree(bytes(&temp.join("tree")), &Cancel::new()).unwrap();
    remove_tree(bytes(&temp.join("top")), &Cancel::new()).unwrap();
    assert!(!exists(&temp.join("top")) && exists(&temp.join("outside/file")));
}

/// A directory that is moved elsewhere while the walk is below it must not lead the walk there.
#[test]
fn stops_when_a_directory_is_moved_away_under_it() {
    let temp = TempDir::new();
    let top = temp.join("tree");
    nest(&top, 100);
    fs::create_dir(temp.join("elsewhere")).unwrap();
    fs::write(temp.join("elsewhere/file"), "x").unwrap();
    // Every directory above the window of open descriptors is left through "..".
    let mut walk = Removal { directories: Directories::new(Root::open(bytes(&top)).unwrap()), attempts_left: 0 };
    walk.visit(walk.directories.root_name()).unwrap();
    while let Some(name) = walk.directories.next_name() {
        walk.visit(name).unwrap();
    }
    let moved = top.join("d/d/d/d");
    fs::rename(&moved, temp.join("elsewhere/d")).unwrap();
    let error = loop {
        if let Err(error) = walk.leave() {
            break error;
        }
    };
    assert_eq!(error, TreeError::changed(bytes(&moved)));
    assert!(exists(&temp.join("elsewhere/file")) && exists(&temp.join("elsewhere/d")));
}

#[test]
fn does_not_enter_a_mount() {
    const NAME: &str = "remove::tests::does_not_enter_a_mount";
    if !is_again() {
        let can_mount = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
        if is_root() && can_mount {
            let this = std::env::current_exe().unwrap();
            run_again_in_mount_namespace(NAME, &this);
        } // Otherwise this user cannot mount anything, so there is nothing to enter.
        return;
    }
    let temp = TempDir::new();
    for name in ["tree/mounted", "outside"] {
        fs::create_dir_all(temp.join(name)).unwrap();
    }
    fs::write(temp.join("outside/file"), "x").unwrap();
    let bound =
        Command::new("mount").arg("--bind").args([temp.join("outside"), temp.join("tree/mounted")]).status().unwrap();
    assert!(bound.success());
    let error = failure(remove_tree(bytes(&temp.join("tree")), &Cancel::new()));
    assert!(exists(&temp.join("outside/file")));
    assert_eq!((error.code(), error.path.as_slice()), ("ERR_TREE_IO", bytes(&temp.join("tree/mounted"))));
    assert!(Command::new("umount").arg(temp.join("tree/mounted")).status().unwrap().success());
}

fn run_again_in_mount_namespace(name: &str, this: &Path) {
    let output = Command::new("unshare")
        .args(["-m", "--"])
        .arg(this)
        .args(["--exact", name, "--nocapture"])
        .env("DRVKIT_TEST_AGAIN", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn reports_what_it_may_not_remove() {
    const NAME: &str = "remove::tests::reports_what_it_may_not_remove";
    if is_root() {
        run_again(NAME, |command| {
            std::os::unix::process::CommandExt::gid(
                std::os::unix::process::CommandExt::uid(command, crate::testing::NOBODY),
                crate::testing::NOBODY,
            )
        });
        return;
    }
    let error = failure(remove_tree(b"/etc/passwd", &Cancel::new()));
    assert!(matches!(error.errno, Some(libc::EACCES | libc::EPERM | libc::EROFS)), "{error}");
    assert_eq!(error.path, b"/etc/passwd");
}
