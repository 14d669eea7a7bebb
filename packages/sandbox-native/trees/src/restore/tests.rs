use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::dump::Dumper;
use crate::source::ChunkSource;
use crate::sys::injected::{Call, counting, failing};
use crate::testing::{TempDir, bytes, mode, set_mode};

fn dump(path: &Path) -> Vec<u8> {
    let mut dumper = Dumper::open(bytes(path)).unwrap();
    let mut all = Vec::new();
    let mut chunk = vec![0; 1000];
    loop {
        let length = dumper.fill(&mut chunk).unwrap();
        all.extend_from_slice(&chunk[..length]);
        if length < chunk.len() {
            return all;
        }
    }
}

fn make_tree(top: &Path) {
    fs::create_dir_all(top.join("a/b")).unwrap();
    fs::write(top.join("a/file"), vec![b'x'; 100_000]).unwrap();
    fs::write(top.join("a/empty"), "").unwrap();
    fs::write(top.join("run"), "#!").unwrap();
    set_mode(&top.join("run"), 0o755);
    symlink("../outside", top.join("link")).unwrap();
}

fn restore(archive: &[u8], target: &Path, length: usize) -> Result<Digest> {
    let mut restorer = Restorer::open(bytes(target), false)?;
    for piece in archive.chunks(length) {
        restorer.write(piece)?;
    }
    restorer.finish()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn gives_back_the_tree() {
    let temp = TempDir::new();
    make_tree(&temp.join("tree"));
    let archive = dump(&temp.join("tree"));
    for length in [1, 1000, archive.len()] {
        let target = temp.join(&format!("again-{length}"));
        restore(&archive, &target, length).unwrap();
        assert_eq!(dump(&target), archive);
        assert_eq!(mode(&target.join("run")) & 0o111, mode(&target) & 0o111);
        assert_eq!(mode(&target.join("a/file")) & 0o111, 0);
    }
    let top = temp.join("file");
    restore(&dump(&temp.join("tree/run")), &top, 7).unwrap();
    assert_eq!(fs::read(&top).unwrap(), b"#!");
}

#[test]
fn leaves_nothing_of_an_archive_that_is_not_whole() {
    let temp = TempDir::new();
    make_tree(&temp.join("tree"));
    let archive = dump(&temp.join("tree"));
    for length in (0..archive.len()).step_by(501) {
        let error = restore(&archive[..length], &temp.join("again"), 777).unwrap_err();
        assert_eq!(error.code(), "ERR_TREE_ARCHIVE");
        assert_eq!(names(&temp.join(".")), ["tree"]);
    }
    let error = restore(&[archive.as_slice(), b"x"].concat(), &temp.join("again"), 777).unwrap_err();
    assert!(error.message.contains("expected the end"), "{error}");
    drop(Restorer::open(bytes(&temp.join("again")), false).unwrap());
    assert_eq!(names(&temp.join(".")), ["tree"]);
}

#[test]
fn replaces_nothing() {
    let temp = TempDir::new();
    make_tree(&temp.join("tree"));
    let archive = dump(&temp.join("tree"));
    fs::write(temp.join("taken"), "mine").unwrap();
    symlink("nowhere", temp.join("link")).unwrap();
    for taken in ["taken", "link", "tree"] {
        assert_eq!(restore(&archive, &temp.join(taken), 4096).unwrap_err().code(), "ERR_TREE_EXISTS");
    }
    assert_eq!(fs::read(temp.join("taken")).unwrap(), b"mine");
    assert_eq!(names(&temp.join(".")), ["link", "taken", "tree"]);
}

#[test]
fn says_what_could_not_be_created() {
    let temp = TempDir::new();
    make_tree(&temp.join("tree"));
    let archive = dump(&temp.join("tree"));
    let error = restore(&archive, &temp.join("absent/again"), 4096).unwrap_err();
    assert_eq!((error.code(), error.errno), ("ERR_TREE_IO", Some(libc::ENOENT)));
}

/// Whoever may write beside the target swaps what is restored for a link: nothing is written where it leads.
#[test]
fn writes_only_into_the_directories_it_made() {
    let temp = TempDir::new();
    make_tree(&temp.join("tree"));
    fs::create_dir(temp.join("victim")).unwrap();
    let archive = dump(&temp.join("tree"));
    let mut restorer = Restorer::open(bytes(&temp.join("again")), false).unwrap();
    let middle = archive.windows(6).position(|window| window == b"target").unwrap();
    restorer.write(&archive[..middle]).unwrap();
    let own = names(&temp.join(".")).into_iter().find(|name| name.starts_with(".drvkit-restore-")).unwrap();
    fs::rename(temp.join(&own), temp.join("moved")).unwrap();
    symlink("victim", temp.join(&own)).unwrap();
    restorer.write(&archive[middle..]).unwrap();
    assert!(names(&temp.join("victim")).is_empty());
    drop(restorer);
    assert!(names(&temp.join("victim")).is_empty());
    assert!(temp.join("moved/run").exists());
}

#[test]
fn says_what_the_archive_hashes_to() {
    let temp = TempDir::new();
    make_tree(&temp.join("tree"));
    let archive = dump(&temp.join("tree"));
    let expected = crate::hash_tree(bytes(&temp.join("tree")), crate::Algorithm::Sha256, &crate::Cancel::new());
    assert_eq!(restore(&archive, &temp.join("again"), 777), expected);
}

#[test]
fn leaves_nothing_whose_name_is_not_on_the_disk() {
    let temp = TempDir::new();
    make_tree(&temp.join("tree"));
    let mut restorer = Restorer::open(bytes(&temp.join("again")), true).unwrap();
    restorer.write(&dump(&temp.join("tree"))).unwrap();
    let error = failing(Call::Sync, libc::EIO, || restorer.finish()).unwrap_err();
    assert_eq!((error.step, error.path.as_slice()), (Some("sync"), bytes(&temp.join("again"))));
    assert_eq!(names(&temp.join(".")), ["tree"]);
}

/// What comes into the way is told by the path that the file was to have.
#[test]
fn says_which_file_could_not_be_written() {
    let temp = TempDir::new();
    make_tree(&temp.join("tree"));
    let archive = dump(&temp.join("tree"));
    for (call, step) in [(Call::Write, "write"), (Call::Sync, "sync")] {
        let mut restorer = Restorer::open(bytes(&temp.join("again")), true).unwrap();
        let error = failing(call, libc::EIO, || restorer.write(&archive)).unwrap_err();
        drop(restorer);
        assert_eq!((error.code(), error.step, error.errno), ("ERR_TREE_IO", Some(step), Some(libc::EIO)));
        let file = if call == Call::Write { "again/a/file" } else { "again/a/b" };
        assert_eq!(error.path, bytes(&temp.join(file)));
        assert_eq!(names(&temp.join(".")), ["tree"]);
    }
}

#[test]
fn syncs_every_file_and_directory_and_the_one_above() {
    let temp = TempDir::new();
    make_tree(&temp.join("tree"));
    let archive = dump(&temp.join("tree"));
    let count = |sync| {
        counting(Call::Sync, || {
            let mut restorer = Restorer::open(bytes(&temp.join("again")), sync).unwrap();
            restorer.write(&archive).unwrap();
            restorer.finish().unwrap();
            crate::remove_tree(bytes(&temp.join("again")), &crate::Cancel::new()).unwrap();
        })
    };
    assert_eq!(count(false), 0);
    // The tree, a, a/b, a/empty, a/file, run, and where the tree is; links have no contents of their own.
    assert_eq!(count(true), 7);
}
