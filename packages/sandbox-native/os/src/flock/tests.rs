use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::LockMode::{Exclusive, Shared};
use super::*;
use crate::testing::{TempDir, bytes};

fn lock(path: &Path, mode: LockMode) -> Option<FileLock> {
    try_lock(bytes(path), mode).unwrap()
}

#[test]
fn excludes_a_second_owner_in_one_process() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let first = lock(&path, Exclusive).expect("free");
    assert!(lock(&path, Exclusive).is_none());
    assert!(lock(&path, Shared).is_none());
    drop(first);
    assert!(lock(&path, Exclusive).is_some());
}

#[test]
fn shares_with_those_who_share() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let first = lock(&path, Shared).expect("free");
    let second = lock(&path, Shared).expect("shared");
    assert!(lock(&path, Exclusive).is_none());
    drop((first, second));
    assert!(lock(&path, Exclusive).is_some());
}

/// As in a process that was forked and has not come to exec.
#[test]
fn is_released_although_the_open_file_lives_on_in_a_copy() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let held = lock(&path, Exclusive).unwrap();
    let _copy = held.file.as_ref().unwrap().try_clone().unwrap();
    drop(held);
    assert!(lock(&path, Exclusive).is_some());
}

#[test]
fn makes_a_file_that_only_its_owner_can_open() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let _held = lock(&path, Exclusive);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn release_keeps_the_file_and_deletion_marks_it_after_removing_its_name() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    drop(lock(&path, Exclusive));
    assert!(path.exists());
    let held = lock(&path, Exclusive).unwrap();
    let open = fs::File::open(&path).unwrap();
    held.release_and_delete().unwrap();
    assert!(!path.exists());
    assert_eq!(std::io::read_to_string(&open).unwrap(), "d");
}

#[test]
fn deletion_of_a_shared_lock_leaves_the_file_to_the_others() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let others = lock(&path, Shared).unwrap();
    lock(&path, Shared).unwrap().release_and_delete().unwrap();
    assert!(path.exists() && lock(&path, Exclusive).is_none());
    drop(others);
}

#[test]
fn deletion_is_fine_when_the_name_is_gone() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let held = lock(&path, Exclusive).unwrap();
    fs::remove_file(&path).unwrap();
    held.release_and_delete().unwrap();
}

#[test]
fn a_file_that_lost_its_name_is_nobodys_lock() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let stale = lock(&path, Exclusive).unwrap();
    fs::remove_file(&path).unwrap();
    let fresh = lock(&path, Exclusive).expect("another file");
    assert!(lock(&path, Exclusive).is_none());
    drop((stale, fresh));
}

/// What another one sees that opened the file before its owner deleted it.
#[test]
fn an_open_file_whose_owner_deleted_it_is_stale() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let name = lock_path(bytes(&path)).unwrap();
    let claim_open = |file: &OwnedFd| claim(file, &name, bytes(&path), Exclusive).unwrap();
    let owner = lock(&path, Exclusive).unwrap();
    let open = sys::open_or_create(&name, MODE).unwrap();
    assert_eq!(claim_open(&open), Claim::Busy);
    owner.release_and_delete().unwrap();
    assert_eq!(claim_open(&open), Claim::Stale);
    let next = lock(&path, Exclusive).expect("another file");
    assert_eq!(claim_open(&open), Claim::Stale);
    drop(next);
    let again = sys::open_or_create(&name, MODE).unwrap();
    assert_eq!(claim_open(&again), Claim::Held);
}

#[test]
fn a_marked_file_that_still_has_its_name_is_emptied() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    fs::write(&path, "d").unwrap();
    let _held = lock(&path, Exclusive).expect("not passed over for ever");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn refuses_a_link_and_a_pipe_and_a_directory() {
    let temp = TempDir::new();
    fs::write(temp.join("file"), "kept").unwrap();
    symlink("file", temp.join("link.lock")).unwrap();
    symlink("absent", temp.join("dangling.lock")).unwrap();
    fs::create_dir(temp.join("directory.lock")).unwrap();
    assert!(Command::new("mkfifo").arg(temp.join("pipe.lock")).status().unwrap().success());
    for name in ["link.lock", "dangling.lock", "directory.lock", "pipe.lock"] {
        let error = try_lock(bytes(&temp.join(name)), Exclusive).expect_err(name);
        assert_eq!((error.code(), error.path.as_slice()), ("ERR_LOCK_IO", bytes(&temp.join(name))), "{name}");
    }
    assert!(!temp.join("absent").exists());
}

#[test]
fn excludes_another_process_and_is_released_by_its_death() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let started = Command::new("flock")
        .arg(&path)
        .args(["sh", "-c", "echo locked; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut other) = started else {
        return; // No program here that takes locks.
    };
    let mut line = [0; 7];
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut line).unwrap();
    assert!(lock(&path, Exclusive).is_none());
    other.stdin.take().unwrap().write_all(b"\n").unwrap();
    other.wait().unwrap();
    assert!(lock(&path, Exclusive).is_some());
}

#[test]
fn locks_a_descriptor_for_as_long_as_it_is_open() {
    let temp = TempDir::new();
    let path = temp.join("log");
    fs::write(&path, "text").unwrap();
    let open = || fs::File::open(&path).unwrap();
    let try_to = |file: &fs::File, mode| lock_descriptor(file.as_raw_fd(), mode).unwrap();
    let (writer, follower) = (open(), open());
    assert!(try_to(&writer, Exclusive));
    assert!(try_to(&writer, Exclusive));
    assert!(!try_to(&follower, Shared));
    drop(writer);
    assert!(try_to(&follower, Shared));
    assert!(try_to(&open(), Shared));
    assert!(!try_to(&open(), Exclusive));
}

#[test]
fn says_which_descriptor_is_none() {
    let error = lock_descriptor(-1, Shared).expect_err("no descriptor");
    assert_eq!((error.code(), error.step, error.errno), ("ERR_OS", "lock", Some(libc::EBADF)));
    assert_eq!(error.message, "cannot lock descriptor '-1': Bad file descriptor");
}
