use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use super::*;
use crate::flock::LockMode::{Exclusive, Shared};
use crate::testing::{TempDir, bytes};

const SOON: Duration = Duration::from_secs(20);

fn hold(path: &Path) -> FileLock {
    try_lock(bytes(path), Exclusive).unwrap().expect("free")
}

fn wait(path: &Path, mode: LockMode) -> (Ticket, Receiver<Result<Option<FileLock>>>) {
    let (sender, receiver) = channel();
    let ticket = Waiting::wait(bytes(path), mode, move |result| sender.send(result).expect("the test waits"));
    (ticket, receiver)
}

#[test]
fn gives_the_lock_once_it_is_released() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let held = hold(&path);
    let (_ticket, answer) = wait(&path, Exclusive);
    assert_eq!(answer.recv_timeout(Duration::from_millis(50)).err(), Some(RecvTimeoutError::Timeout));
    drop(held);
    let lock = answer.recv_timeout(SOON).unwrap().unwrap().expect("the lock");
    assert!(try_lock(bytes(&path), Exclusive).unwrap().is_none());
    drop(lock);
}

/// The interval has grown to its last value by then; a release in this process does not wait for it.
#[test]
fn notices_a_release_in_this_process_at_once() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let held = hold(&path);
        let (_ticket, answer) = wait(&path, Exclusive);
        thread::sleep(Duration::from_millis(260));
        let released = Instant::now();
        drop(held);
        answer.recv_timeout(SOON).unwrap().unwrap().expect("the lock");
        best = best.min(released.elapsed());
    }
    assert!(best < LAST_INTERVAL / 10, "{best:?}");
}

#[test]
fn gives_a_new_file_when_the_owner_deleted_the_old_one() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let held = hold(&path);
    let (_ticket, answer) = wait(&path, Exclusive);
    held.release_and_delete().unwrap();
    let _lock = answer.recv_timeout(SOON).unwrap().unwrap().expect("the lock");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn answers_an_abandoned_wait_with_nothing_and_takes_no_lock_for_it() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let held = hold(&path);
    let (ticket, answer) = wait(&path, Exclusive);
    ticket.abandon();
    assert!(answer.recv_timeout(SOON).unwrap().unwrap().is_none());
    ticket.abandon();
    drop(held);
    for _ in 0..20 {
        drop(hold(&path));
    }
}

#[test]
fn answers_with_the_failure() {
    let temp = TempDir::new();
    let (_ticket, answer) = wait(&temp.join("absent/x.lock"), Exclusive);
    assert_eq!(answer.recv_timeout(SOON).unwrap().expect_err("no directory").errno, Some(libc::ENOENT));
}

#[test]
fn gives_a_shared_lock_to_all_who_wait_for_it() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    let held = hold(&path);
    let waits: Vec<_> = (0..5).map(|_| wait(&path, Shared)).collect();
    drop(held);
    let locks: Vec<_> = waits.iter().map(|(_, answer)| answer.recv_timeout(SOON).unwrap().unwrap()).collect();
    assert!(locks.iter().all(Option::is_some));
}

/// Every owner deletes the file, which is where two could come to hold a lock of the same name.
#[test]
fn never_has_two_owners() {
    let temp = TempDir::new();
    let path = temp.join("x.lock");
    static OWNERS: AtomicUsize = AtomicUsize::new(0);
    let (sender, done) = channel();
    let count = 60;
    for number in 0..count {
        let sender = sender.clone();
        Waiting::wait(bytes(&path), Exclusive, move |result| {
            let lock = result.unwrap().expect("nobody abandons");
            assert_eq!(OWNERS.fetch_add(1, Ordering::SeqCst), 0);
            thread::spawn(move || {
                thread::sleep(Duration::from_micros(300));
                OWNERS.fetch_sub(1, Ordering::SeqCst);
                if number % 3 == 0 {
                    drop(lock)
                } else {
                    lock.release_and_delete().unwrap()
                }
                sender.send(()).unwrap();
            });
        });
    }
    for _ in 0..count {
        done.recv_timeout(SOON).expect("everyone gets it");
    }
}
