//! Waiting for locks, without a thread for each.
//!
//! `flock` cannot be waited for by descriptor, and a thread that blocks in it cannot be called back. So one thread asks again, at growing
//! intervals, for every lock that is waited for; a lock that this process releases is asked for at once.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Errno, Kind, OsError, Result};
use crate::flock::{FileLock, LockMode, try_lock};

const FIRST_INTERVAL: Duration = Duration::from_millis(1);
const LAST_INTERVAL: Duration = Duration::from_millis(100);

/// Told the lock, an error, or `None` when the waiting was abandoned.
type Done = Box<dyn FnOnce(Result<Option<FileLock>>) + Send>;

/// Emptied by whoever answers first.
type Answer = Arc<Mutex<Option<Done>>>;

/// The locks that this process waits for.
pub struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// In order of arrival.
    entries: Vec<Entry>,
    has_thread: bool,
    /// Counts what is a reason to ask for all at once.
    releases: u64,
}

struct Entry {
    path: Vec<u8>,
    mode: LockMode,
    answer: Answer,
    interval: Duration,
    due: Instant,
}

static WAITING: Waiting = Waiting {
    state: Mutex::new(State { entries: Vec::new(), has_thread: false, releases: 0 }),
    changed: Condvar::new(),
};

/// The right to stop waiting.
pub struct Ticket(Answer);

impl Ticket {
    /// Answers `None` now, unless there was an answer before.
    pub fn abandon(&self) {
        if let Some(done) = take(&self.0) {
            done(Ok(None));
        }
    }

    /// The machine gives no thread to wait on.
    fn fail(&self, path: &[u8], error: &io::Error) {
        let errno = Errno(error.raw_os_error().unwrap_or(libc::EAGAIN));
        if let Some(done) = take(&self.0) {
            done(Err(OsError::new(Kind::Lock, "wait for", path, errno)));
        }
    }
}

impl Waiting {
    /// Answers `done` once the lock of `path` is held; on a thread that must not be blocked.
    pub fn wait(path: &[u8], mode: LockMode, done: impl FnOnce(Result<Option<FileLock>>) + Send + 'static) -> Ticket {
        let answer: Answer = Arc::new(Mutex::new(Some(Box::new(done))));
        let entry = Entry {
            path: path.to_vec(),
            mode,
            answer: Arc::clone(&answer),
            interval: FIRST_INTERVAL,
            due: Instant::now(),
        };
        let ticket = Ticket(answer);
        let mut state = WAITING.lock();
        if !state.has_thread {
            if let Err(error) = thread::Builder::new().name("drvkit-locks".into()).spawn(serve) {
                drop(state);
                ticket.fail(path, &error);
                return ticket;
            }
            state.has_thread = true;
        }
        state.entries.push(entry);
        drop(state);
        WAITING.changed.notify_one();
        ticket
    }

    /// Asks at once for all locks that are waited for.
    pub(crate) fn a_lock_was_released() {
        let mut state = WAITING.lock();
        state.releases += 1;
        drop(state);
        WAITING.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until nobody waits any more. The state is not locked while files are: a file system may be slow.
fn serve() {
    let mut seen_releases = 0;
    loop {
        let mut state = WAITING.lock();
        let Some(due) = state.entries.iter().map(|entry| entry.due).min() else {
            state.has_thread = false;
            return;
        };
        let now = Instant::now();
        if due > now && state.releases == seen_releases {
            drop(WAITING.changed.wait_timeout(state, due - now));
            continue;
        }
        let all_at_once = state.releases != seen_releases;
        seen_releases = state.releases;
        let taken = std::mem::take(&mut state.entries);
        drop(state);
        let still_waiting: Vec<Entry> =
            taken.into_iter().filter_map(|entry| ask_again(entry, now, all_at_once)).collect();
        // Whoever came meanwhile came later.
        WAITING.lock().entries.splice(0..0, still_waiting);
    }
}

/// Asks for the lock of one entry if it is due; the entry, if it has to wait on.
fn ask_again(mut entry: Entry, now: Instant, all_at_once: bool) -> Option<Entry> {
    if is_answered(&entry.answer) {
        return None;
    }
    if entry.due > now && !all_at_once {
        return Some(entry);
    }
    match try_lock(&entry.path, entry.mode).transpose() {
        None => {
            entry.due = now + entry.interval;
            entry.interval = (entry.interval * 2).min(LAST_INTERVAL);
            Some(entry)
        }
        Some(result) => {
            // Abandoned in this very moment: then dropping the lock releases it.
            if let Some(done) = take(&entry.answer) {
                // A panic in it must not end the waiting of all others.
                let _ = catch_unwind(AssertUnwindSafe(|| done(result.map(Some))));
            }
            None
        }
    }
}

fn is_answered(answer: &Answer) -> bool {
    answer.lock().unwrap_or_else(PoisonError::into_inner).is_none()
}

fn take(answer: &Answer) -> Option<Done> {
    answer.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests;
