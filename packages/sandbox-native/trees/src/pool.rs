//! Threads of our own: those of Node serve its own files and DNS.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    work_came: Condvar,
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

/// Threads that are started when they are first needed and kept for a while: a new one costs more than what many calls do.
pub struct Pool {
    shared: Arc<Shared>,
    name: &'static str,
    width: usize,
    stay: Duration,
}

impl Pool {
    /// A pool of at most `width` threads of this name.
    pub fn new(name: &'static str, width: usize) -> Self {
        Self { shared: Arc::default(), name, width: width.max(1), stay: Duration::MAX }
    }

    /// The one of this process for work on trees: as many threads as the machine has processors.
    pub fn global() -> &'static Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Self::new("drvkit-trees", thread::available_parallelism().map_or(1, usize::from)))
    }

    /// The one of this process for what waits for others meanwhile: nothing queues behind it. A second without work ends a thread.
    pub fn waiting() -> &'static Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Self { stay: Duration::from_secs(1), ..Self::new("drvkit-set-up", usize::MAX) })
    }

    /// Runs `work` on one of the threads, after all that was given before. A panic in it ends nothing but itself.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        let mut queue = lock(&self.shared);
        queue.work.push_back(Box::new(work));
        if queue.idle < queue.work.len() && queue.threads < self.width {
            let (shared, stay) = (Arc::clone(&self.shared), self.stay);
            let started = thread::Builder::new().name(self.name.into()).spawn(move || serve(&shared, stay));
            queue.threads += usize::from(started.is_ok());
        }
        if queue.threads == 0 {
            // The machine gives no thread at all. Late is better than never.
            let work = queue.work.pop_front();
            drop(queue);
            work.into_iter().for_each(run_one);
            return;
        }
        drop(queue);
        self.shared.work_came.notify_one();
    }
}

fn serve(shared: &Shared, stay: Duration) {
    let mut queue = lock(shared);
    loop {
        match queue.work.pop_front() {
            Some(work) => {
                drop(queue);
                run_one(work);
                queue = lock(shared);
            }
            None => {
                queue.idle += 1;
                let (woken, waited) =
                    shared.work_came.wait_timeout(queue, stay).unwrap_or_else(PoisonError::into_inner);
                queue = woken;
                queue.idle -= 1;
                if waited.timed_out() && queue.work.is_empty() {
                    queue.threads -= 1;
                    return;
                }
            }
        }
    }
}

fn run_one(work: Work) {
    // Whoever waits for a result notices that none comes; the thread goes on.
    let _ = catch_unwind(AssertUnwindSafe(work));
}

/// Nothing can panic while the lock is held, so a poisoned one is as good as any.
fn lock(shared: &Shared) -> MutexGuard<'_, Queue> {
    shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
